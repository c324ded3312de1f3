"""`opencensus_lean.store` under its earlier import path."""

from opencensus_lean.store import LeanStore

__all__ = ["LeanStore"]
