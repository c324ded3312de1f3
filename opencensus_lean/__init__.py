"""OpenCensus without its cost and defects: `install` makes an existing OpenCensus program record at low cost.

    import opencensus_lean

    exporter = opencensus_lean.install(namespace="oc_python", port=8000)

replaces the set-up of the Prometheus exporter; measures, views, tag maps and ``mmap.record(tmap)`` stay as they are.
Only opencensus is needed; a page for Prometheus needs prometheus-client as well.
"""

from opencensus_lean.install import LeanExporter, install

__all__ = ["LeanExporter", "__version__", "install"]

__version__ = "0.1.0"
