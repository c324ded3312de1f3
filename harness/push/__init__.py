"""Sinks: processes that decode what instruments push, so that it can be compared with what was recorded."""
