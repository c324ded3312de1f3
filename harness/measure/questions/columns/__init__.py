"""Columns of the overhead table that are measured on request: memory, share of a core, import time, time of a page."""
