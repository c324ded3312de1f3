"""The request headers of Prometheus, so that the endpoint does the same work for a substitute."""

__all__ = ["SCRAPE_HEADERS", "scrape_headers"]

# As sent by Prometheus 2.42 (scrape/scrape.go), without the timeout, which depends on the interval.
SCRAPE_HEADERS = {
    "Accept": (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    ),
    "Accept-Encoding": "gzip",
    "User-Agent": "Prometheus/2.42.0",
}


def scrape_headers(timeout_ns: int) -> dict[str, str]:
    """Return the headers of a scrape that may take `timeout_ns` nanoseconds."""
    return {**SCRAPE_HEADERS, "X-Prometheus-Scrape-Timeout-Seconds": f"{timeout_ns / 1e9:g}"}
