"""The metrics endpoint and the scrapers that read it."""
