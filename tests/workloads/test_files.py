"""Pages named by an expression are fetched within a time and a size."""

import pytest

import workloads.files
from benchmarks.fuzz.raw_server import http_answer, serving
from workloads.errors import GrammarError
from workloads.files import read_page


def test_a_page_comes_whole() -> None:
    """As its server sends it."""
    with serving(lambda _path: [http_answer(b"a 1\n")]) as port:
        assert read_page(f"http://127.0.0.1:{port}/metrics") == "a 1\n"


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, the page does not."""
    monkeypatch.setattr(workloads.files, "_WHOLE_S", 0.2)
    slow = [http_answer(bytes(10_000))[:-10_000], *(part for _ in range(500) for part in (b"#", 0.02))]
    with serving(lambda _path: slow) as port, pytest.raises(GrammarError, match="took longer than"):
        read_page(f"http://127.0.0.1:{port}/metrics")


def test_a_page_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not cut."""
    monkeypatch.setattr(workloads.files, "_MAX_FILE_BYTES", 3)
    with serving(lambda _path: [http_answer(b"a 1\n")]) as port, pytest.raises(GrammarError, match="larger than"):
        read_page(f"http://127.0.0.1:{port}/metrics")
