"""Incidents of a run: what delays, stops and renews the service, and what is switched on meanwhile."""
