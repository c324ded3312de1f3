"""Readers of metrics pages, in text format or OpenMetrics."""
