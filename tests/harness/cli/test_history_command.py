"""What `harness history` and the keeping of results promise, as a user meets them."""

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli import _run
from harness.history.store import Store
from tests.harness.history.makers import THERE, keep_series

pytestmark = pytest.mark.system

COMMAND = [sys.executable, "-m", "harness.cli"]
MEASURE = ["run", "--arrivals", "max", "--count", "50", "--scraper", "none", "--instrument", "none", "--quiet"]
SUITE = {
    "machine_info": {"node": "n", "cpu": {"brand_raw": "C"}},
    "commit_info": {"id": "abc", "dirty": False},
    "benchmarks": [{"fullname": "t::a", "stats": {"mean": 2e-6, "stddev": 1e-7, "rounds": 25}}],
    "datetime": "2024-05-01T10:00:00+00:00",
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def harness(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run in this process; return exit code, standard output and standard error."""
    code = _run([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def process(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_every_run_is_kept_and_says_where(tmp_path: Path) -> None:
    """A run is in the history under its label, and one line names it; HARNESS_STORE stands for --store."""
    done = process(*MEASURE[:-1], "--label", "nightly", HARNESS_STORE=str(tmp_path / "own"))
    (run,) = Store(tmp_path / "own").names()
    assert f"kept as {run.removesuffix('.json')} in {tmp_path / 'own'}" in done.stderr
    listed = json.loads(process("history", "--json", "--label", "night", "--store", tmp_path / "own").stdout)
    assert [(row["kind"], row["label"]) for row in listed["runs"]] == [("run", "nightly")]


def test_no_save_keeps_nothing(tmp_path: Path) -> None:
    """Who opts out leaves no trace."""
    done = process(*MEASURE, "--no-save", "--store", tmp_path / "runs")
    assert done.returncode == 0
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def unwritable(tmp_path: Path) -> Iterator[Path]:
    """A folder that the system itself refuses to write: a read-only file system for root, else by its mode."""
    folder = tmp_path / "read-only"
    keep_series(Store(folder), [2.0, 2.0])
    if os.geteuid() != 0:
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)
        return
    if subprocess.run(["mount", "--bind", folder, folder], capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here, and root writes whatever the mode")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True, capture_output=True)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def _kept_aside(done: subprocess.CompletedProcess[str], spare: Path) -> None:
    """The verdict stands, one line warns, and the result lies whole in the temporary folder."""
    assert done.returncode == 0
    assert "VALID" in done.stdout
    assert done.stderr.count("\n") == 1
    (kept,) = spare.glob("harness-result-*.json")
    assert json.loads(kept.read_text())["ledger"]["offered"] == 50
    assert str(kept) in done.stderr


def test_a_read_only_store_costs_a_warning_and_is_still_read(unwritable: Path, tmp_path: Path) -> None:
    """Nothing is lost, the exit code is the run's own, and history and check work as before."""
    spare = tmp_path / "spare"
    spare.mkdir()
    done = process(*MEASURE, "--store", unwritable, TMPDIR=str(spare))
    _kept_aside(done, spare)
    assert f"not kept in the history: cannot save to {unwritable}" in done.stderr
    listed = process("history", "--store", unwritable)
    assert (listed.returncode, len(listed.stdout.splitlines()), listed.stderr) == (0, 3, "")
    assert process("check", "--store", unwritable).returncode == 3
    removed = process("history", "rm", "--yes", "2026", "--store", unwritable)
    assert (removed.returncode, removed.stderr.count("\n")) == (2, 1)


def _fill(path: Path) -> None:
    """Write until the system itself refuses."""
    with path.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"x" * 512)


def test_a_full_disk_costs_a_warning_and_leaves_the_history_whole(tmp_path: Path) -> None:
    """On a file system of 64 KiB with no room left: the result is kept aside, what was kept before is still there."""
    disk, spare = tmp_path / "disk", tmp_path / "spare"
    disk.mkdir()
    spare.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        store = Store(disk / "runs")
        keep_series(store, [2.0])
        _fill(disk / "filler")
        done = process(*MEASURE, "--store", store.folder, TMPDIR=str(spare))
        _kept_aside(done, spare)
        assert "No space left on device" in done.stderr
        assert list(store.folder.glob(".saving-*")) == []
        listed = process("history", "--store", store.folder)
        assert (listed.returncode, len(listed.stdout.splitlines()), listed.stderr) == (0, 2, "")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_two_commands_saving_at_once_are_both_kept(tmp_path: Path) -> None:
    """Neither waits for the other for ever, and neither result is lost."""
    both = [
        subprocess.Popen(
            [*COMMAND, *MEASURE, "--store", tmp_path / "runs", "--label", str(i)], stdout=subprocess.DEVNULL
        )
        for i in range(2)
    ]
    assert [one.wait(60) for one in both] == [0, 0]
    listed = json.loads(process("history", "--json", "--store", tmp_path / "runs").stdout)
    assert sorted(row["label"] for row in listed["runs"]) == ["0", "1"]


def test_bad_documents_are_a_line_each_and_the_rest_is_listed(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged file and one of a newer version are named on standard error; standard output holds the others."""
    keep_series(store, [2.0, 2.1])
    (store.folder / "half.json").write_text('{"schema_version": 1, "id"')
    (store.folder / "later\x1b[31m.json").write_text('{"schema_version": 99}')
    for command in (["history"], ["check"]):
        code, out, err = harness(*command, "--store", store.folder, capsys=capsys)
        assert code in {0, 3}
        assert "half" not in out
        damaged, newer = err.splitlines()
        assert "half.json: not whole JSON" in damaged
        assert "schema version 99; this version reads 1; upgrade recording-harness" in newer
        assert "\x1b" not in err


@pytest.mark.parametrize(
    ("flags", "runs"),
    [
        ([], 5),
        (["--limit", "2"], 2),
        (["--since", "2026-01-01T02:00Z"], 3),
        (["--instrument", "a"], 5),
        (["--instrument", "b"], 0),
        (["--kind", "suite"], 0),
        (["--label", "zzz"], 0),
    ],
)
def test_filters_choose(store: Store, capsys: pytest.CaptureFixture[str], flags: list[str], runs: int) -> None:
    """Each filter keeps the runs that fit it, in the list as in JSON; where none fits, a line says so."""
    keep_series(store, [2.0] * 5)
    code, out, err = harness("history", *flags, "--store", store.folder, capsys=capsys)
    assert (code, len(out.splitlines())) == (0, runs + 1 if runs else 0)
    assert ("no run is kept" in err) is (runs == 0)
    _, out, _ = harness("history", "list", *flags, "--json", "--store", store.folder, capsys=capsys)
    assert len(json.loads(out)["runs"]) == runs


def test_a_new_machine_opens_an_epoch_in_the_list(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """The first run on another machine is marked."""
    keep_series(store, [2.0, 2.0])
    keep_series(store, [2.0, 2.0], fingerprint=THERE, first=5)
    _, out, _ = harness("history", "--store", store.folder, capsys=capsys)
    assert ["new epoch" in line for line in out.splitlines()] == [False, False, False, True, False]


def test_a_long_first_look_says_that_it_works(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of results take seconds to be read the first time: one line says so, and only that time."""
    monkeypatch.setattr("harness.cli.store._MANY", 5)
    keep_series(store, [1.0] * 5)
    assert "reading 5 kept results" in harness("history", "--store", store.folder, capsys=capsys)[2]
    assert harness("history", "--store", store.folder, capsys=capsys)[2] == ""


def test_a_run_is_shown_by_a_part_of_its_id(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Facts and figures as text; the whole document, raw pairs included, as JSON."""
    first, second = keep_series(store, [2.0, 2.5])
    code, out, _ = harness("history", "show", second.id[-8:], "--store", store.folder, capsys=capsys)
    assert code == 0
    assert second.id in out
    assert "150 ns" in out
    assert "wall_ns a/none series=1" in out
    _, out, _ = harness("history", "show", first.id, "--json", "--store", store.folder, capsys=capsys)
    assert json.loads(out)["document"] == first.document
    _, out, _ = harness("history", "show", "newest", "--store", store.folder, capsys=capsys)
    assert second.id in out


def test_removing_asks_or_needs_yes(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal nothing goes without --yes; a name that fits no run keeps all; a damaged file can go."""
    first, second = keep_series(store, [2.0, 2.5])
    (store.folder / "half.json").write_text("{")
    code, _, err = harness("history", "rm", first.id, "--store", store.folder, capsys=capsys)
    assert (code, "--yes" in err, len(store.names())) == (2, True, 3)
    code, _, _ = harness("history", "rm", first.id, "nope", "--yes", "--store", store.folder, capsys=capsys)
    assert (code, len(store.names())) == (2, 3)
    code, _, err = harness("history", "rm", first.id[-8:], "half", "--yes", "--store", store.folder, capsys=capsys)
    assert (code, list(store.names())) == (0, [f"{second.id}.json"])
    assert err.count("removed") == 2


def test_exports_go_where_they_are_asked_to(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To standard output or a file, of the runs that fit the filters; a place that cannot be written is one line."""
    runs = keep_series(store, [2.0, 2.5])
    _, out, _ = harness("history", "export", "--format", "csv", "--store", store.folder, capsys=capsys)
    assert [row["run"] for row in csv.DictReader(io.StringIO(out))] == [run.id for run in runs]
    path = tmp_path / "out.json"
    arguments = ("history", "export", "--limit", "1", "--store", store.folder, "--format")
    for form, key in (("pytest-benchmark", "benchmarks"), ("customSmallerIsBetter", 0)):
        assert harness(*arguments, form, "--output", path, capsys=capsys)[0] == 0
        assert json.loads(path.read_text())[key]
    _, out, _ = harness(*arguments, "openmetrics", capsys=capsys)
    assert out.endswith("# EOF\n")
    assert runs[0].id not in out
    code, _, err = harness(*arguments, "csv", "--output", "/no/such/folder/x", capsys=capsys)
    assert (code, err.count("\n"), "--output" in err) == (1, 1, True)


def test_earlier_benchmarks_are_imported_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """pytest-benchmark's files come in, the second time they are known, and a bad one does not stop the others."""
    folder, store = tmp_path / "b", tmp_path / "runs"
    folder.mkdir()
    (folder / "0001.json").write_text(json.dumps(SUITE))
    (folder / "bad.json").write_text("{")
    for new, known in ((1, 0), (0, 1)):
        code, _, err = harness("history", "import", folder, "--store", store, capsys=capsys)
        assert code == 0
        assert f"{new} imported into {store}, {known} there already" in err
        assert "bad.json: not whole JSON" in err
    assert harness("history", "import", folder / "bad.json", "--store", store, capsys=capsys)[0] == 1
    code, _, err = harness("history", "import", tmp_path / "nowhere", "--store", store, capsys=capsys)
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["list", "--kind", "dream"], "--kind"),
        (["list", "--since", "yesterday"], "--since"),
        (["list", "--limit", "0"], "--limit"),
        (["export", "--format", "xml"], "--format"),
        (["export", "--format", "csv"], "no run that fits"),
        (["show", "nope"], "'nope'"),
        (["show", "newest"], "no run is kept"),
        (["rm"], "RUN"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_wrong_usage_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], names: str
) -> None:
    """Exit code 2 and a line that names what is wrong."""
    store = [] if arguments[0] == "frobnicate" else ["--store", tmp_path / "runs"]
    code, out, err = harness("history", *arguments, *store, capsys=capsys)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert names in err


def test_a_store_that_is_a_file_names_the_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in the place of the folder is wrong usage for whoever reads."""
    (tmp_path / "f").write_text("")
    code, _, err = harness("history", "--store", tmp_path / "f", capsys=capsys)
    assert (code, err.count("\n"), "--store" in err) == (2, 1, True)


def test_labels_do_nothing_to_a_terminal(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters, newlines and bad bytes in what came from outside are shown, not obeyed."""
    store.save("run", {}, fingerprint={"epoch": "e"}, label="a\x1b[2J\nb\udcff\u202ec")
    for command in (["list"], ["show", "newest"]):
        code, out, _ = harness("history", *command, "--store", store.folder, capsys=capsys)
        assert code == 0
        assert r"a\x1b[2J\nb\udcff\u202ec" in out
