"""One load run: load, scrape and audit together, without printing."""
