"""Surface: metrics pages, read from text and fetched over HTTP."""

import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz.attempt import DefectError, Surface, TryOne, refused
from benchmarks.fuzz.pieces import pieces, to_bytes, zeros
from benchmarks.fuzz.raw_server import Answer, http_answer, serving
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.exposition.page import OPENMETRICS, TEXT, fold, parse_page, read_shown
from harness.views import QUICKSTART_VIEWS

__all__ = ["SURFACE"]

_DEADLINE_S = 1.0
_LENGTH = "example_com_repl_line_length"
_PAGES = [
    '# HELP a_total Lines.\n# TYPE a_total counter\na_total{method="x",status="OK",error=""} 5\na_total 7 17000\n',
    '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3.5\nh_count 2\n',
    ('# TYPE h histogram\nh_bucket{le="1.0"} 1 # {trace_id="a"} 0.5 1700000000.1\nh_bucket{le="+Inf"} 2\n'
     "h_count 2\nh_sum 3.5\n# EOF\n"),
    ("# TYPE n histogram\nn {count:24,sum:100,schema:0,zero_threshold:0.001,zero_count:4,positive_spans:[0:2,1:2],"
     "positive_deltas:[2,1,-3,3]}\n# EOF\n"),
    '# TYPE s summary\ns{quantile="0.5"} NaN\ns_sum 1e999\ns_count -1\n',
    '# HELP b With \\\\ and \\n in it\n# TYPE b gauge\nb{a="\\"\\\\\\n",b="}"} -Inf\n',
    '# TYPE foo info\nfoo_info{a="b"} 1\n# TYPE st stateset\nst{st="a"} 1\n# UNIT x_s s\nx_s 1\n# EOF\n',
    '{"quoted.name","l"="v"} 1\n# TYPE c counter\nc_total 1\nc_created 1.5\n# EOF\n',
]  # fmt: skip
_ODD = [
    "NaN", "+Inf", "-Inf", "nan", "1e400", "0x1p3", "1_0", "9" * 5000, "\0", "\r", "\x0b", "\x85", "é", "\xff", "\\",
    '"',
    "{", "}", "{}", ",", ",,", "=", "#", "# ", "# EOF", "# EOF\n", "# TYPE", "# TYPE a", "# TYPE a b\n", "# HELP\n",
    "# {} 1", ' # {a="b"} 1 2 3', 'le="', 'le="NaN"', 'le="x"', '{le="1",le="2"}', " 1 2 3", "\n\n", "a" * 3000, "[",
    "]",
    "{count:", "spans:[", " -1", '{a="b"', "_bucket", "_total", "\ufeff".encode().decode("latin-1"),
]  # fmt: skip
_BIG_LINE = f'{_LENGTH}_bucket{{error="",le="25.0",method="m00001",status="OK"}} 12345678.0\n'


def _samples() -> list[bytes]:
    """Return pages, with the names of our own views in them too."""
    own = [page.replace("h_", f"{view.family}_").replace(" h ", f" {view.family} ")
           for view in QUICKSTART_VIEWS for page in _PAGES[1:3]]  # fmt: skip
    return [page.encode() for page in [*_PAGES, *own, "", "\n", "<html>not a page</html>"]]


def _inputs() -> SearchStrategy[Any]:
    body = pieces(_samples(), _ODD)
    kinds = st.sampled_from([TEXT, OPENMETRICS, f"{OPENMETRICS}; version=1.0.0", "", "text/html", "application/json"])
    read = st.fixed_dictionaries({"use": st.just("read"), "body": body, "kind": kinds})
    # Answers that are spoilt on their way: fewer, since each takes a connection.
    wrapped = st.sampled_from(["plain", "gzip", "cut", "not-gzip", "bomb", "long", "chunks", "drip", "head", "status"])
    fetched = st.fixed_dictionaries({"use": st.just("fetch"), "body": body, "kind": kinds, "way": wrapped})
    large = st.fixed_dictionaries({"use": st.just("fetch"), "body": st.just([[_BIG_LINE, 1_200_000]]),
                                   "kind": st.just(TEXT), "way": st.just("plain")})  # fmt: skip
    # One in some thousands: a page of 100 MB.
    return st.integers(0, 3999).flatmap(lambda n: large if n == 1234 else fetched if n % 6 == 1 else read)


def _answer(given: Any) -> Answer:
    """Return how a server answers with the body in one of several ways."""
    body, kind = to_bytes(given["body"]), f"Content-Type: {given['kind']}\r\n"
    packed, zipped = gzip.compress(body, 1), f"{kind}Content-Encoding: gzip\r\n"
    match given["way"]:
        case "gzip":
            return [http_answer(packed, headers=zipped)]
        case "cut":
            whole = http_answer(packed, headers=zipped)
            return [whole[: len(whole) - 1 - len(body) % 20]]
        case "not-gzip":
            return [http_answer(packed[:-9] + b"\0" * 9 + body[:9], headers=zipped)]
        case "bomb":
            return [http_answer(_bomb(), headers=zipped)]
        case "long":
            return [f"HTTP/1.1 200 OK\r\nContent-Length: {10**15}\r\n{kind}\r\n".encode(), body]
        case "chunks":
            head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{kind}\r\n".encode()
            return [head, f"{len(body):x}\r\n".encode(), body, b"\r\nffffffffffff\r\n", body]
        case "drip":
            return _drip(http_answer(body, headers=kind))
        case "head":
            return [body]
        case "status":
            return [http_answer(body, status="503 \x1b[31mNo", headers=kind)]
        case _:
            return [http_answer(body, headers=kind)]


def _drip(whole: bytes) -> Iterator[bytes | float]:
    for i in range(len(whole)):
        yield whole[i : i + 1]
        yield 0.05


@cache
def _bomb() -> bytes:
    """Return 600 MB of zeros, compressed; the checksum at its end is never come to."""
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + zeros(600) + bytes(8)


def _read(body: bytes, kind: str) -> str:
    """Read a page in both ways that the project has, which have to agree."""
    text = body.decode(errors="replace")
    outcomes: list[Any] = []
    for read in (lambda: fold(parse_page(text, kind).samples, QUICKSTART_VIEWS),
                 lambda: read_shown(text, kind, QUICKSTART_VIEWS)):  # fmt: skip
        try:
            outcomes.append(repr(read()))
        except HarnessError as error:
            outcomes.append(error)
    if type(outcomes[0]) is not type(outcomes[1]) or (isinstance(outcomes[0], str) and outcomes[0] != outcomes[1]):
        raise DefectError(f"read in two ways it is {outcomes[0]!r:.100} and {outcomes[1]!r:.100}")
    return "accepted" if isinstance(outcomes[0], str) else refused(outcomes[0])


def _fetch(port: int, given: Any) -> str:
    """Fetch a page as an audit does, and as the built-in scraper does."""
    from harness.exposition.headers import scrape_headers
    from harness.scrape.builtin.process import Asker
    from harness.scrape.fetch import fetch

    outcome = "accepted"
    asker = Asker("127.0.0.1", port, int(_DEADLINE_S * 1e9))
    _, _, scraped, _, _ = asker.ask()
    # In its own process it is kept for the next scrape.
    asker._connection.close()  # noqa: SLF001
    if not scraped:
        outcome = refused(asker.error)
    try:
        text = fetch(
            "127.0.0.1", port, scrape_headers(10**9), Deadline(_DEADLINE_S), f"http://127.0.0.1:{port}/metrics"
        )
    except HarnessError as error:
        return refused(error)
    if len(text) < 1 << 24:
        try:
            parse_page(text, given["kind"])
        except HarnessError as error:
            return refused(error)
    return outcome


@contextmanager
def _opened() -> Iterator[TryOne]:
    current: Sequence[Any] = [None]

    def try_one(given: Any) -> str:
        if given["use"] == "read":
            return _read(to_bytes(given["body"]), given["kind"])
        current[0] = given  # type: ignore[index]
        return _fetch(port, given)

    with serving(lambda _path: _answer(current[0])) as port:
        yield try_one


def _patience(given: Any) -> float:
    """Return how much longer a page may take: what is as large as the pages of 30 000 series is read all the same."""
    size = sum(len(text) * int(times) for text, times in given["body"])
    return 25.0 * size / 1e8 if given["use"] == "fetch" and size > 1e7 else 0.0


SURFACE = Surface("pages", "Metrics pages: text, OpenMetrics, compressed, cut, slow, 100 MB", 14, _inputs, _opened,
                  _patience)  # fmt: skip
