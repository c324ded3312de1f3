"""Runs one spec: load, scrape and audit together, and nothing that prints."""
