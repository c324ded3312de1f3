"""The same OpenCensus program as `opencensus`, recorded by `opencensus_lean`."""

import opencensus_lean
from harness.instruments.opencensus import OpenCensusInstrument
from harness.views import NAMESPACE, View

__all__ = ["OpenCensusLeanInstrument"]


class OpenCensusLeanInstrument(OpenCensusInstrument):
    """`OpenCensusInstrument` line for line, with `opencensus_lean.install` in the place of the exporter's set-up."""

    def __init__(self, views: tuple[View, ...]) -> None:
        super().__init__(views, exporter=False)
        self._exporter = opencensus_lean.install(NAMESPACE, port=None, stats=self.stats)
        self.registry = self._exporter.registry
        # The application asks its recorder for a map with each line, and the recorder is what was hooked.
        self._new_measurement_map = self.stats.stats_recorder.new_measurement_map

    def close(self) -> None:
        """Give recording back to the library; what was recorded is gone from the page."""
        self._exporter.stop()
