"""OpenCensus kept, its cost and defects dropped: `install` makes an existing OpenCensus program record the lean way.

    from harness.instruments import lean

    exporter = lean.install(namespace="oc_python", port=8000)

replaces the set-up of the Prometheus exporter; measures, views, tag maps and ``mmap.record(tmap)`` stay as they are.
This package needs opencensus and prometheus-client, and nothing else of this project.
"""

from harness.instruments.lean.install import LeanExporter, install

__all__ = ["LeanExporter", "install"]
