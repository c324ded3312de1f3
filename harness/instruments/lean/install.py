"""`opencensus_lean.install` under the name that it had here."""

from opencensus_lean.install import LeanExporter, install

__all__ = ["LeanExporter", "install"]
