import errno
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.errors import SaveError, UsageError
from harness.history.envelope import SCHEMA_VERSION, Envelope, decode
from harness.history.index import INDEX_NAME, Index
from harness.history.problems import Problem, Trouble
from harness.history.store import Store
from tests.harness.history.makers import HERE, START, keep_series, overhead


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "deep" / "runs")


def _runs(store: Store) -> list[Envelope]:
    return [found for found in store.runs() if isinstance(found, Envelope)]


def test_a_kept_result_comes_back_whole(store: Store) -> None:
    """What is read is what was saved, raw pairs, label, fingerprint and git state included."""
    document = overhead(2.0)
    git = {"revision": "abc", "branch": "main", "dirty": True}
    kept = store.save("overhead", document, fingerprint=HERE, git=git, label="nächtlich \udcff", created=START)
    assert store.load(kept.id) == kept == decode(store.path(kept.id).read_bytes())
    assert kept.document == document
    assert kept.created == "2026-01-01T00:00:00.000000Z"
    assert json.loads(store.path(kept.id).read_bytes())["schema_version"] == SCHEMA_VERSION


def test_names_sort_by_time_and_are_unique(store: Store) -> None:
    """The folder's order is the order of time, and two results of one instant have two names."""
    same = [store.save("run", {}, fingerprint=HERE, created=START) for _ in range(3)]
    later = store.save("run", {}, fingerprint=HERE, created=datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC))
    assert len({kept.id for kept in same}) == 3
    assert max(store.names()) == f"{later.id}.json"


def test_a_kept_result_is_never_replaced(store: Store) -> None:
    """Saving under a name that is taken fails and leaves the first one as it was."""
    first = store.save("run", {"a": 1}, fingerprint=HERE, created=START, name="same")
    with pytest.raises(SaveError, match="is already kept"):
        store.save("run", {"a": 2}, fingerprint=HERE, created=START, name="same")
    assert store.load(first.id).document == {"a": 1}


def test_figures_that_json_has_no_number_for_are_kept_as_null(store: Store) -> None:
    """One infinite or undefined figure does not cost the run."""
    kept = store.save("run", {"a": [float("nan"), (float("inf"), 1.5)]}, fingerprint=HERE)
    assert store.load(kept.id).document == {"a": [None, [None, 1.5]]}


@pytest.mark.parametrize(
    ("kind", "document", "said"),
    [("dream", {}, "'dream' cannot be kept"), ("run", {"a": object()}, "cannot be written as JSON")],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_written(
    store: Store, kind: str, document: dict[str, object], said: str
) -> None:
    """An unknown kind, or content that is no JSON, is refused in one line and leaves no file."""
    with pytest.raises(UsageError, match=said):
        store.save(kind, document, fingerprint=HERE)
    assert list(store.names()) == []


def test_a_folder_that_is_not_there_is_an_empty_history(store: Store) -> None:
    """Reading needs no folder and makes none."""
    assert list(store.runs()) == []
    with Index(store) as index:
        assert index.rows() == []
    assert not store.folder.exists()


@pytest.mark.parametrize(
    ("content", "trouble", "said"),
    [
        (b"", Trouble.DAMAGED, "not whole JSON (0 bytes"),
        (b'{"schema_version": 1, "id"', Trouble.DAMAGED, "not whole JSON"),
        (b"[]", Trouble.DAMAGED, "not a kept result"),
        (b'{"schema_version": true}', Trouble.DAMAGED, "not a kept result"),
        (b'{"schema_version": 1}', Trouble.DAMAGED, "it lacks id, kind"),
        (b'{"schema_version": 99}', Trouble.NEWER, "schema version 99; this version reads 1"),
        (b"[" * 100_000, Trouble.DAMAGED, "not whole JSON"),
        (b"\xff\xfe\x00", Trouble.DAMAGED, "not whole JSON"),
    ],
)
def test_a_bad_document_is_one_clear_line_and_the_rest_goes_on(
    store: Store, content: bytes, trouble: Trouble, said: str
) -> None:
    """Damaged documents and those of a newer schema are named with a remedy, by files and index alike."""
    kept = keep_series(store, [2.0, 2.1])
    (store.folder / "20260101T003000.000000Z-bad.json").write_bytes(content)
    assert _runs(store) == kept
    (problem,) = (found for found in store.runs() if isinstance(found, Problem))
    assert problem.trouble is trouble
    assert said in problem.line
    assert "\n" not in problem.line
    for _ in range(2):  # read, then from the cache
        with Index(store) as index:
            assert [row.id for row in index.rows()] == [run.id for run in kept]
            assert index.problems == [problem]


def test_a_changed_byte_is_noticed(store: Store) -> None:
    """A document that is still JSON but not what was saved is damaged."""
    (kept,) = keep_series(store, [2.0])
    path = store.path(kept.id)
    path.write_bytes(path.read_bytes().replace(b'"ratio":2.0', b'"ratio":1.0'))
    (problem,) = store.runs()
    assert isinstance(problem, Problem)
    assert "does not match its own digest" in problem.line


def test_names_that_are_no_utf8_break_nothing(store: Store) -> None:
    """Bad bytes in a label or an experiment's name are escaped in the index; a file so named is not one of ours."""
    document = overhead(2.0)
    document["experiments"][0]["head"] = "bad\udcff"
    kept = store.save("overhead", document, fingerprint=HERE, label="\udc80", created=START)
    (store.folder / "\udcff.json").write_text("{}")
    with Index(store) as index:
        assert [row.label for row in index.rows()] == ["\\udc80"]
        assert [metric.head for metric in index.metrics(kept.id)] == ["bad\\udcff"]
        assert index.problems == []
    assert store.load(kept.id).label == "\udc80"


def test_a_renamed_document_is_noticed(store: Store) -> None:
    """A copy under another name is not counted as a second run."""
    (kept,) = keep_series(store, [2.0])
    store.path("20270101T000000.000000Z-copy").write_bytes(store.path(kept.id).read_bytes())
    assert [type(found) for found in store.runs()] == [Envelope, Problem]


def test_runs_are_named_by_the_start_or_end_of_their_id(store: Store) -> None:
    """Enough of an id finds the run; too little, or none that fits, is one clear line."""
    first, second = keep_series(store, [2.0, 2.1])
    assert store.find(first.id[-8:]) == first.id
    with pytest.raises(UsageError, match="could be 2 runs"):
        store.find("2026")
    with pytest.raises(UsageError, match="no run 'nope'"):
        store.find("nope")
    store.remove(second.id)
    assert _runs(store) == [first]


@pytest.mark.parametrize(
    ("code", "call"), [(errno.ENOSPC, "write"), (errno.EROFS, "open"), (errno.EIO, "fsync"), (errno.EDQUOT, "link")]
)
def test_a_failing_disk_is_one_line_and_leaves_nothing_half(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    """A full, read-only, broken or over-quota disk raises `SaveError` with the reason, and the history is as before."""
    kept = keep_series(store, [2.0])

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(SaveError, match=f"cannot save to .*{os.strerror(code)}.*--store"):
            store.save("run", {}, fingerprint=HERE)
    assert _runs(store) == kept
    assert sorted(path.name for path in store.folder.glob(".saving-*")) == []


def test_a_real_full_disk_is_one_line(store: Store) -> None:
    """Where the system itself refuses more bytes, saving fails in one line and leaves the history whole."""
    kept = keep_series(store, [2.0])
    program = (
        "import resource, signal, sys\n"
        "from harness.history.store import Store\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "Store(sys.argv[1]).save('run', {'pairs': list(range(5000))}, fingerprint={})\n"
    )
    done = subprocess.run([sys.executable, "-c", program, store.folder], capture_output=True, text=True, check=False)
    assert "SaveError: cannot save to" in done.stderr.splitlines()[-1]
    assert _runs(store) == kept
    assert list(store.folder.glob(".saving-*")) == []


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_hard_links_keeps_results(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """What FAT and others answer to a link changes nothing: results are stored, and none is ever replaced."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    kept = store.save("run", {"a": 1}, fingerprint=HERE, created=START, name="same")
    assert store.load(kept.id) == kept
    with pytest.raises(SaveError, match="is already kept"):
        store.save("run", {"a": 2}, fingerprint=HERE, created=START, name="same")
    assert _runs(store) == [kept]
    assert list(store.folder.glob(".saving-*")) == []


def test_a_store_whose_place_is_taken_by_a_file_is_one_line(tmp_path: Path) -> None:
    """A store below a file can be neither written nor listed; both say so."""
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "runs")
    with pytest.raises(SaveError, match="cannot save to"):
        store.save("run", {}, fingerprint=HERE)
    with pytest.raises(UsageError, match=r"^cannot read") as raised:
        list(store.runs())
    assert raised.value.field == "store"


def test_only_the_temporary_files_of_dead_writers_are_swept(store: Store) -> None:
    """An old unlocked temporary file goes at the next save; a young one, and a locked one however old, stay."""
    import fcntl

    keep_series(store, [2.0])
    paths = {name: store.folder / f".saving-{name}" for name in ("dead", "young", "living")}
    for path in paths.values():
        path.write_text("half")
    for name in ("dead", "living"):
        os.utime(paths[name], (time.time() - 3600,) * 2)
    with paths["living"].open() as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        keep_series(store, [2.0], first=1)
    assert [name for name, path in paths.items() if path.exists()] == ["young", "living"]


def test_git_is_told_to_leave_the_cache_out(store: Store) -> None:
    """The folder can be committed as it is: only whole results are in it for git."""
    keep_series(store, [2.0])
    with Index(store):
        pass
    subprocess.run(["git", "init", "-q", store.folder], check=True)
    told = subprocess.run(
        ["git", "-C", store.folder, "status", "--porcelain", "-uall"], check=True, capture_output=True, text=True
    ).stdout.split()
    assert sorted(name for name in told if name != "??") == sorted([".gitignore", *store.names()])


SAVER = (
    "import sys\n"
    "from harness.history.store import Store\n"
    "store, count = Store(sys.argv[1]), int(sys.argv[2])\n"
    "for i in range(count):\n"
    "    kept = store.save('run', {'i': i, 'pairs': list(range(2000))}, fingerprint={})\n"
    "    print(kept.id, flush=True)\n"
)


def test_processes_saving_at_once_lose_nothing(store: Store) -> None:
    """Four processes saving into one folder that is being read: every result each reported is there, whole."""
    savers = [
        subprocess.Popen([sys.executable, "-c", SAVER, store.folder, "25"], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    with Index(store) as index:
        index.rows()
    told = [line for saver in savers for line in saver.communicate()[0].split()]
    assert [saver.returncode for saver in savers] == [0] * 4
    assert sorted(run.id for run in _runs(store)) == sorted(told)
    with Index(store) as index:
        assert (len(index.rows()), index.problems) == (100, [])


@pytest.mark.slow
def test_500_kills_at_random_instants_lose_nothing(store: Store) -> None:
    """Whatever the instant of a kill: what was reported saved is whole, and nothing half-written stands beside it."""
    import random

    draw = random.Random(5)  # noqa: S311 - when to kill, no secret
    told: set[str] = set()
    for _ in range(500):
        saver = subprocess.Popen(
            [sys.executable, "-c", SAVER, store.folder, "10000"], stdout=subprocess.PIPE, text=True
        )
        assert saver.stdout is not None
        told.add(saver.stdout.readline().strip())
        time.sleep(draw.uniform(0, 0.02))
        saver.send_signal(signal.SIGKILL)
        # A line cut short by the kill was not told whole.
        told.update(line.strip() for line in saver.stdout.readlines() if line.endswith("\n"))
        saver.wait()
        saver.stdout.close()
    found = list(store.runs())
    assert [problem.line for problem in found if isinstance(problem, Problem)] == []
    assert told <= {run.id for run in found if isinstance(run, Envelope)}


def test_the_index_is_only_a_cache(store: Store) -> None:
    """Deleted, overwritten, truncated or of another version, it is rebuilt and says the same."""
    keep_series(store, [2.0, 2.1, 2.2])
    with Index(store) as index:
        rows, (key,) = index.rows(), index.keys()
        points = index.points(key)
    path = store.folder / INDEX_NAME
    whole = path.read_bytes()
    for damage in (None, b"", b"no database" * 1000, whole[: len(whole) // 2], b"\0" * len(whole)):
        path.unlink()
        if damage is not None:
            path.write_bytes(damage)
        with Index(store) as index:
            assert (index.rows(), index.points(key), index.in_memory) == (rows, points, False)


def test_an_index_of_another_version_is_rebuilt(store: Store) -> None:
    """A cache with other tables is thrown away, not misread."""
    import sqlite3

    keep_series(store, [2.0])
    base = sqlite3.connect(store.folder / INDEX_NAME)
    base.executescript("PRAGMA user_version = 77; CREATE TABLE files (x)")
    base.close()
    with Index(store) as index:
        assert (len(index.rows()), index.rebuilt) == (1, True)


def test_the_index_follows_the_files(store: Store) -> None:
    """Runs that were added, removed or mended outside are seen at the next look; unchanged ones are not read again."""
    first, second = keep_series(store, [2.0, 2.1])
    with Index(store):
        pass
    reads: list[str] = []
    read = store.read
    store.read = lambda name: (reads.append(name), read(name))[1]  # type: ignore[method-assign]
    store.path(first.id).unlink()
    (third,) = keep_series(store, [2.2], first=9)
    with Index(store) as index:
        assert [row.id for row in index.rows()] == [second.id, third.id]
    assert reads == [f"{third.id}.json"]


def test_a_folder_that_cannot_be_written_is_read_through_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cache cannot be made, as in a read-only store, the same answers come from memory."""
    import sqlite3

    keep_series(store, [2.0, 2.1])
    connect = sqlite3.connect

    def read_only(path: object, **options: object) -> sqlite3.Connection:
        if path == ":memory:":
            return connect(":memory:", isolation_level=None)
        return connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    with Index(store) as index:
        assert (len(index.rows()), index.in_memory) == (2, True)


def test_what_is_no_regular_file_is_not_read(store: Store) -> None:
    """A pipe that nobody writes to, or a device without an end, is a problem of one line, not a wait."""
    store.save("run", {}, fingerprint=HERE, created=START)
    os.mkfifo(store.folder / "pipe.json")
    (store.folder / "device.json").symlink_to("/dev/zero")
    found = {found.path.name: found for found in store.runs() if isinstance(found, Problem)}
    assert {name: problem.trouble for name, problem in found.items()} == {
        "pipe.json": Trouble.UNREADABLE,
        "device.json": Trouble.UNREADABLE,
    }
    assert "not a regular file" in found["pipe.json"].line
    assert len(_runs(store)) == 1


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside", "..", "x\0y"])
def test_a_name_in_a_document_is_no_path(store: Store, tmp_path: Path, name: str) -> None:
    """A stored document that calls itself something else is damaged; nothing is read, written or removed there."""
    kept = store.save("run", {}, fingerprint=HERE, created=START)
    outside = tmp_path / "outside.json"
    outside.write_bytes(store.path(kept.id).read_bytes())
    whole = json.loads(store.path(kept.id).read_bytes())
    store.path(kept.id).write_text(json.dumps({**whole, "id": name}))
    (problem,) = store.runs()
    assert isinstance(problem, Problem)
    assert problem.trouble is Trouble.DAMAGED
    for act in (store.load, store.remove):
        with pytest.raises(UsageError, match="no run"):
            act(name)
    assert outside.exists()
