"""The endpoint, the scrapers that read it, and the audit that compares what they saw with the truth."""
