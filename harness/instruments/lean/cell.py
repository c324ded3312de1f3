"""`opencensus_lean.cell` under the name that it had here."""

from opencensus_lean.cell import FOLD_AT, Bounds, Cell, expansion

__all__ = ["FOLD_AT", "Bounds", "Cell", "expansion"]
