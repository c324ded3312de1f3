"""The real Prometheus as a scraper: started, asked through its HTTP API, stopped."""
