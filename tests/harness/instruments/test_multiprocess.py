"""prometheus-client's multiprocess mode as an instrument: values in files, and a page of all processes."""

import os
import signal
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import Counter, values
from prometheus_client.registry import CollectorRegistry

from harness.instruments.prometheus_multiprocess import PrometheusClientMultiprocessInstrument
from harness.views import LINES_IN, QUICKSTART_VIEWS, Tags
from tests.harness.instruments.pages import page_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def in_a_fork(work: Callable[[], object], ends_by: int = signal.SIGKILL) -> None:
    """Do something in a forked copy of this process, which is then killed."""
    if not (pid := os.fork()):
        try:
            work()
        finally:
            os.kill(os.getpid(), ends_by)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -ends_by


def lines_on(instrument: PrometheusClientMultiprocessInstrument) -> float:
    return sum(value for (name, _), value in page_of(instrument.registry).items() if name == f"{LINES_IN.family}_total")


def test_the_page_has_the_sum_over_processes_also_of_killed_ones(folder: Path) -> None:
    """Built before the fork, as with gunicorn's preload; the parent records as well."""
    instrument = PrometheusClientMultiprocessInstrument(QUICKSTART_VIEWS)
    for _ in range(3):
        in_a_fork(lambda: [instrument.record(1.0, 5, Tags()) for _ in range(10)])
    instrument.record(1.0, 5, Tags())
    assert lines_on(instrument) == 31
    files = [path.name.partition("_")[0] for path in folder.glob("harness-multiprocess-*/*.db")]
    assert sorted(files) == ["counter"] * 4 + ["histogram"] * 4
    instrument.close()


def test_closing_removes_the_files_and_a_forked_copy_leaves_them(folder: Path) -> None:
    """What a copy closes is still used by the others."""
    instrument = PrometheusClientMultiprocessInstrument(QUICKSTART_VIEWS)
    instrument.record(1.0, 5, Tags())
    in_a_fork(instrument.close)
    assert lines_on(instrument) == 1
    instrument.close()
    assert list(folder.iterdir()) == []
    assert page_of(instrument.registry) == {}


def test_a_file_without_a_first_byte_fails_the_page(folder: Path) -> None:
    """The library creates a file before it writes into it, and reads whatever is there: docs/forked-workers.md."""
    instrument = PrometheusClientMultiprocessInstrument(QUICKSTART_VIEWS)
    instrument.record(1.0, 5, Tags())
    next(folder.glob("harness-multiprocess-*")).joinpath("counter_0.db").touch()
    with pytest.raises(struct.error):
        page_of(instrument.registry)
    instrument.close()


def test_other_metrics_of_the_process_stay_in_memory(folder: Path) -> None:
    """The mode is that of the instrument, and not of the library."""
    before = values.ValueClass, os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    instrument = PrometheusClientMultiprocessInstrument(QUICKSTART_VIEWS)
    instrument.record(1.0, 5, Tags())
    assert (values.ValueClass, os.environ.get("PROMETHEUS_MULTIPROC_DIR")) == before
    other = Counter("other", "Of somebody else.", registry=CollectorRegistry())
    assert not getattr(other._value, "_multiprocess", False)
    instrument.close()
