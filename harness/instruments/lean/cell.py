"""`opencensus_lean.cell` under its earlier import path."""

from opencensus_lean.cell import FOLD_AT, Bounds, Cell, expansion

__all__ = ["FOLD_AT", "Bounds", "Cell", "expansion"]
