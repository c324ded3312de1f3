import importlib
import sys
from pathlib import Path

import pytest

from harness.errors import HarnessError, InstrumentError, UsageError
from harness.instruments import BUILT_IN, Instrument, create, load_factory
from harness.instruments.catalog import ENTRY_POINT_GROUP
from harness.views import QUICKSTART_VIEWS, Tags

MODULE = """
from prometheus_client import CollectorRegistry, Counter


class Mine:
    def __init__(self, views):
        self.registry = CollectorRegistry()
        self.lines = Counter("mine", "lines", registry=self.registry)

    def record(self, latency_ms, length_bytes, tags):
        self.lines.inc()

    def close(self):
        pass


class NoRecord:
    def __init__(self, views):
        self.registry = CollectorRegistry()
    close = print


def fails(views):
    raise RuntimeError("two\\nlines")


number = 7
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_way.py").write_text(MODULE)
    (tmp_path / "my_typo.py").write_text("import no_such_library_anywhere")
    (tmp_path / "my_script.py").write_text("raise SystemExit('usage: none')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for module in ("my_way", "my_typo", "my_script"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_class_of_the_users_own_is_found_in_the_working_directory() -> None:
    """``module:Name`` needs no installation."""
    made = create("my_way:Mine", QUICKSTART_VIEWS)
    made.record(1.0, 5, Tags())
    assert made.registry.get_sample_value("mine_total") == 1
    assert isinstance(made, Instrument)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("no-such", UsageError, "there is no instrument 'no-such'; choose one of none, opencensus"),
        ("my_way:", UsageError, "not of the form package.module:Name"),
        (":Mine", UsageError, "not of the form package.module:Name"),
        ("my_way:Nope", UsageError, "has no attribute 'Nope'"),
        ("my_nowhere:Mine", UsageError, "No module named 'my_nowhere'"),
        ("my_typo:Mine", UsageError, "no_such_library_anywhere"),
        ("my_script:Mine", UsageError, "SystemExit: usage: none"),
        ("my_way:number", UsageError, "cannot be called"),
        ("my_way:NoRecord", UsageError, "lacks record;"),
        ("my_way:fails", InstrumentError, "RuntimeError: two lines"),
    ],
)
def test_whatever_is_wrong_is_one_line_of_the_field(name: str, kind: type[HarnessError], says: str) -> None:
    """A name that leads nowhere, a module that fails and an object that does not fit: each says so, and how."""
    with pytest.raises(kind) as caught:
        create(name, QUICKSTART_VIEWS, "base")
    text = str(caught.value)
    assert says in text
    assert caught.value.field == "base"
    assert "\n" not in text


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the optional library its instrument says what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.prometheus", None)
    for loaded in ("harness.instruments.opentelemetry", "harness.instruments.opentelemetry_reader"):
        monkeypatch.delitem(sys.modules, loaded, raising=False)
    with pytest.raises(UsageError, match=r"opentelemetry needs .*pip install 'recording-harness\[opentelemetry\]'"):
        load_factory("opentelemetry")


def test_a_lean_package_that_was_taken_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing opencensus-lean, installed beside this project, removes the files of both."""
    monkeypatch.setitem(sys.modules, "opencensus_lean", None)
    monkeypatch.delitem(sys.modules, "harness.instruments.opencensus_lean", raising=False)
    with pytest.raises(
        UsageError, match="opencensus-lean needs the package opencensus_lean: install recording-harness"
    ):
        load_factory("opencensus-lean")


def test_an_entry_point_is_found_by_its_name(folder: Path) -> None:
    """An installed package offers its instrument under the group of entry points."""
    info = folder / "my_way-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-way\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{ENTRY_POINT_GROUP}]\nmine = my_way:Mine\nbroken = my_typo:Mine\nnone = my_way:Mine\n"
    )
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    made = create("mine", QUICKSTART_VIEWS)
    assert type(made).__name__ == "Mine"
    with pytest.raises(UsageError, match="cannot load 'broken': ModuleNotFoundError"):
        create("broken", QUICKSTART_VIEWS)
    assert type(create("none", QUICKSTART_VIEWS)).__name__ == "NoInstrument"
    with pytest.raises(UsageError, match="dogstatsd-unix-buffered, reference, broken, mine, or give"):
        create("nothing", QUICKSTART_VIEWS)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_name_loads(name: str) -> None:
    """The table of names holds no name that leads nowhere."""
    assert callable(load_factory(name))
