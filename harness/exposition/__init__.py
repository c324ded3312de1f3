"""Reads a page of metrics: text format or OpenMetrics, to the series of the views."""
