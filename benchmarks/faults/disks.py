"""Faults of file systems: full and read-only for result, store, report and cache, in a mount namespace of our own."""

import ctypes
import errno
import os
from pathlib import Path

from benchmarks.faults.fault import SkippedError, fault
from benchmarks.faults.trial import Trial, read_json

__all__ = ["QUICK", "fill", "read_only", "tmpfs"]

# A run of some tens of milliseconds, which no busy machine makes invalid.
QUICK = ("run", "--count", "300", "--arrivals", "max", "--scraper", "none", "--instrument", "prometheus-client")

_CLONE_NEWNS, _MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x20000, 1, 32, 4096, 16384, 1 << 18
_separated: list[bool] = []


def _mount(source: str, target: Path | str, kind: str, flags: int, data: str = "") -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if not _separated:
        # What is mounted is seen by this process and those it starts, and is gone with them.
        if os.geteuid() or libc.unshare(_CLONE_NEWNS):
            raise SkippedError("mounting needs root and mount namespaces")
        _separated.append(True)
        libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    if libc.mount(source.encode(), str(target).encode(), kind.encode(), flags, data.encode()):
        raise SkippedError(f"{kind or 'a bind mount'} on {Path(target).name}: {os.strerror(ctypes.get_errno())}")


def tmpfs(folder: Path, size: str) -> Path:
    """Mount an empty file system of `size`, such as ``1m``, on a folder, which is made where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("tmpfs", folder, "tmpfs", 0, f"size={size}")
    return folder


def read_only(folder: Path) -> Path:
    """Make a folder read-only, root included."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount(str(folder), folder, "", _MS_BIND)
    _mount(str(folder), folder, "", _MS_BIND | _MS_REMOUNT | _MS_RDONLY)
    return folder


def fill(folder: Path) -> Path:
    """Write a file until the file system of a folder is full, and return it."""
    path = folder / "filler"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while os.write(descriptor, b"x" * size):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    finally:
        os.close(descriptor)
    return path


@fault(
    "result-disk-full",
    "--json on a full file system",
    "exit code 1 and one line; the result is in the temporary folder and in the store",
)
def result_disk_full(trial: Trial) -> str:
    full = tmpfs(trial.folder / "full", "64k")
    fill(full)
    command = trial.run(*QUICK, "--json", str(full / "result.json"), codes={1})
    assert len(trial.spares) == 1, command.told
    spare = read_json(command.temporary / trial.spares[0])
    assert spare["ledger"]["offered"] == 300
    assert [path.name for path in full.iterdir()] == ["filler"], "half a result was left"
    assert trial.newest()["ledger"] == spare["ledger"]
    return Trial.one_line(command)


@fault("result-read-only", "--json on a read-only file system", "exit code 2 and one line before anything is measured")
def result_read_only(trial: Trial) -> str:
    place = read_only(trial.folder / "fixed")
    return Trial.one_line(trial.run(*QUICK, "--json", str(place / "result.json"), codes={2}))


@fault(
    "store-disk-full",
    "the store on a full file system: a run, an overhead, the list and a report",
    "exit codes as ever and a warning; the results are in the temporary folder, the store is readable",
)
def store_disk_full(trial: Trial) -> str:
    place = tmpfs(trial.folder / "full", "4m")
    trial.use_store(place / "runs")
    fill(place)
    return _unwritable(trial)


@fault(
    "store-read-only",
    "the store on a read-only file system: a run, an overhead, the list and a report",
    "exit codes as ever and a warning; the results are in the temporary folder, the store is readable",
)
def store_read_only(trial: Trial) -> str:
    trial.use_store(trial.folder / "fixed" / "runs")
    read_only(trial.folder / "fixed")
    return _unwritable(trial)


def _unwritable(trial: Trial) -> str:
    overhead = ("overhead", "--instruments", "prometheus-client-cached", "--budget", "1s")
    for arguments, codes in ((QUICK, {0}), (overhead, {0, 1, 3})):
        command = trial.run(*arguments, codes=codes)
        assert "not kept in the history" in command.told, command.told
    assert len(trial.spares) == 2, trial.spares
    assert len(trial.run("history").printed.splitlines()) > 2
    trial.run("check", codes={0, 1, 3})
    trial.run("report", "--output", str(trial.folder / "page.html"))
    assert not trial.added()
    return "a warning each; list, check and report as ever"


@fault(
    "report-disk-full",
    "report --output on a full file system, over an earlier page",
    "exit code 1 and one line; the earlier page is as it was",
)
def report_disk_full(trial: Trial) -> str:
    place = tmpfs(trial.folder / "full", "64k")
    (place / "page.html").write_text("earlier")
    fill(place)
    line = Trial.one_line(trial.run("report", "--output", str(place / "page.html"), codes={1}))
    assert (place / "page.html").read_text() == "earlier"
    assert sorted(path.name for path in place.iterdir()) == ["filler", "page.html"]
    return line


@fault("report-read-only", "report --output on a read-only file system", "exit code 1 or 2 and one line")
def report_read_only(trial: Trial) -> str:
    place = read_only(trial.folder / "fixed")
    return Trial.one_line(trial.run("report", "--output", str(place / "page.html"), codes={1, 2}))


COMPARED = ("compare", "prometheus-client", "prometheus-client==0.21.0", "--budget", "1s")


@fault(
    "cache-disk-full",
    "the cache of environments for compare on a full file system",
    "exit code 1 and one line; nothing is measured",
)
def cache_disk_full(trial: Trial) -> str:
    place = tmpfs(trial.folder / "full", "1m")
    os.environ["XDG_CACHE_HOME"] = str(place)
    return Trial.one_line(trial.run(*COMPARED, codes={1}))


@fault(
    "cache-read-only",
    "the cache of environments for compare on a read-only file system",
    "exit code 1 and one line; nothing is measured",
)
def cache_read_only(trial: Trial) -> str:
    os.environ["XDG_CACHE_HOME"] = str(read_only(trial.folder / "fixed"))
    return Trial.one_line(trial.run(*COMPARED, codes={1}))


@fault(
    "temporary-disk-full",
    "the temporary folder on a full file system: runs with both scrapers, workers and a report",
    "exit code 0 or 1; one line where something could not be made",
)
def temporary_disk_full(trial: Trial) -> str:
    said = []
    for arguments in (
        ("run", "--duration", "1s", "--scraper", "prometheus"),
        ("run", "--duration", "1s", "--scraper", "builtin"),
        ("run", "--duration", "1s", "--scraper", "none", "--workers", "2"),
        ("overhead", "--instruments", "prometheus-client-cached", "--budget", "1s"),
        ("report", "--output", str(trial.folder / "page.html")),
    ):
        with trial.running(*arguments) as command:
            filler = fill(tmpfs(command.temporary, "16k"))
            code = command.ended()
            filler.unlink()
        assert code in {0, 1, 3}, (code, command.told)
        said.append(str(code))
    return f"exit codes {', '.join(said)}"
