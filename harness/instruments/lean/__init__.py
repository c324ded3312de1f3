"""`opencensus_lean` under the name that it had here; the package stands by itself and needs nothing of this project."""

# The module first: imported later, it would take the place of the function of the same name.
from harness.instruments.lean.install import LeanExporter, install

__all__ = ["LeanExporter", "install"]
