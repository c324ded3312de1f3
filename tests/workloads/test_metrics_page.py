"""A histogram on a /metrics page becomes a distribution of lengths."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from workloads.errors import GrammarError
from workloads.grammar import parse
from workloads.lengths import make_lengths
from workloads.metrics_page import bucket_weights

PAGE = """\
# HELP sizes How long lines are
# TYPE sizes histogram
sizes_bucket{method="repl",le="5"} 10
sizes_bucket{method="repl",le="10"} 30
sizes_bucket{method="repl",le="+Inf"} 40
sizes_sum{method="repl"} 300
sizes_count{method="repl"} 40
sizes_bucket{method="other",le="5"} 6
sizes_bucket{method="other",le="10"} 6
sizes_bucket{method="other",le="+Inf"} 6
# HELP other Another one
# TYPE other histogram
other_bucket{le="0.5"} 1
other_bucket{le="+Inf"} 1
"""


def test_buckets_spread_evenly_and_infinity_to_twice_the_last_bound() -> None:
    """Lengths 0-5 share the first bucket, 6-10 the second, 11-20 the one without an end; series are added up."""
    weights = bucket_weights(PAGE, "page", "sizes")
    np.testing.assert_allclose(weights[:6], 16 / 6)
    np.testing.assert_allclose(weights[6:11], 20 / 5)
    np.testing.assert_allclose(weights[11:21], 10 / 10)
    assert weights[21:].sum() == 0


def test_a_label_keeps_only_its_series() -> None:
    """With label=name:value the other series do not count."""
    assert bucket_weights(PAGE, "page", "sizes", "method:other").sum() == pytest.approx(6)


def test_a_bucket_without_a_whole_number_keeps_its_count() -> None:
    """No count is lost where the bounds are finer than bytes."""
    page = 'x_bucket{le="0.2"} 1\nx_bucket{le="0.7"} 5\nx_bucket{le="+Inf"} 5\n'
    weights = bucket_weights(page, "page")
    assert weights[0] == pytest.approx(5)


def test_a_bound_above_the_longest_line_is_cut_there() -> None:
    """Counts beyond 64 KiB are left out, in proportion."""
    weights = bucket_weights('x_bucket{le="131071"} 8\nx_bucket{le="+Inf"} 8\n', "page")
    assert weights.sum() == pytest.approx(8 * 65_537 / 131_072)


@pytest.mark.parametrize(
    ("page", "metric", "label", "fragment"),
    [
        (PAGE, "", "", "other, sizes"),
        (PAGE, "sise", "", "has no histogram 'sise'"),
        (PAGE, "sizes", "method", "not name:value"),
        (PAGE, "sizes", "method:x", "no series"),
        ("", "", "", "no histogram"),
        ("x 1\n", "", "", "no histogram"),
        ("{{{", "", "", "not a /metrics page"),
        ('x_bucket{le="a"} 1\n', "", "", "not a /metrics page"),
        ('x_bucket{le="1"} 0\nx_bucket{le="+Inf"} 0\n', "", "", "empty"),
        ('x_bucket{le="1"} NaN\nx_bucket{le="+Inf"} NaN\n', "", "", "empty"),
        ('x_bucket{le="1"} 5\nx_bucket{le="+Inf"} 2\n', "", "", "fall"),
    ],
)
def test_unusable_pages_are_one_line(page: str, metric: str, label: str, fragment: str) -> None:
    """What cannot be drawn from is said with the page's name and what is there."""
    with pytest.raises(GrammarError) as caught:
        bucket_weights(page, "page.txt", metric, label)
    assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_page_may_be_a_file_or_an_url(tmp_path: Path) -> None:
    """The same page gives the same distribution from disk and over HTTP."""
    path = tmp_path / "page.txt"
    path.write_text(PAGE)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        over_http = make_lengths(parse("lengths", f"histogram:{base}/metrics,metric=sizes"))
        with pytest.raises(GrammarError, match="cannot read the page"):
            make_lengths(parse("lengths", f"histogram:{base}/nothing"))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    from_file = make_lengths(parse("lengths", f"histogram:{path},metric=sizes"))
    np.testing.assert_array_equal(over_http.probabilities, from_file.probabilities)
    with pytest.raises(GrammarError, match="cannot read the page"):
        make_lengths(parse("lengths", f"histogram:{base}/metrics"))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are not a page."""
    path = tmp_path / "page.bin"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(GrammarError, match="not UTF-8"):
        make_lengths(parse("lengths", f"histogram:{path}"))
