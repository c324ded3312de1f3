"""A scraper without Prometheus: a separate process that scrapes at the same interval."""
