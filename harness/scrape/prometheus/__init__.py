"""The real Prometheus as a scraper: started, queried through its HTTP API, stopped."""
