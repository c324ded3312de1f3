"""`opencensus_lean` under its earlier import path; the package itself is independent of this project."""

# The module first: imported later, it would take the place of the function of the same name.
from harness.instruments.lean.install import LeanExporter, install

__all__ = ["LeanExporter", "install"]
