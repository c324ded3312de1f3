"""A scraper without Prometheus: a process of its own that scrapes at the same interval."""
