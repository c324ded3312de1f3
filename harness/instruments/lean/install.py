"""`opencensus_lean.install` under its earlier import path."""

from opencensus_lean.install import LeanExporter, install

__all__ = ["LeanExporter", "install"]
