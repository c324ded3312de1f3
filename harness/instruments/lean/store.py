"""`opencensus_lean.store` under the name that it had here."""

from opencensus_lean.store import LeanStore

__all__ = ["LeanStore"]
