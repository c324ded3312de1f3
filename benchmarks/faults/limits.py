"""Faults of limits: open files, processes and memory, each at several values, for several commands."""

import os
import resource
import shutil
import subprocess

from benchmarks.faults.disks import QUICK
from benchmarks.faults.fault import SkippedError, fault
from benchmarks.faults.trial import Trial

__all__ = ["COMMANDS"]

_SCRAPED = ("run", "--count", "300", "--arrivals", "max", "--instrument", "prometheus-client")
COMMANDS = {
    "run": QUICK,
    "run builtin": (*_SCRAPED, "--scraper", "builtin"),
    "run prometheus": (*_SCRAPED, "--scraper", "prometheus"),
    "run workers": (*_SCRAPED, "--scraper", "builtin", "--workers", "2"),
    "overhead": ("overhead", "--instruments", "prometheus-client-cached", "--budget", "1s"),
    "history": ("history",),
    "report": ("report", "--output", "page.html"),
}
# A user that runs nothing else, so that a limit of its processes is one of ours.
_USER = 61234


def _told(trial: Trial, counts: dict[str, int]) -> str:
    return (
        ", ".join(f"{count} ended with {code}" for code, count in sorted(counts.items())) + f", of {len(trial.codes)}"
    )


def limited(trial: Trial, kind: int, values: tuple[int, ...], prefix: tuple[str, ...] = ()) -> str:
    """Run every command under each value of a limit: it works, or ends with one line."""
    counts: dict[str, int] = {}
    for value in values:

        def limit(value: int = value) -> None:
            resource.setrlimit(kind, (value, value))

        for name, arguments in COMMANDS.items():
            try:
                command = trial.run(*arguments, codes={0, 1, 2, 3, 130}, preexec_fn=limit, prefix=prefix)
                # OpenBLAS sends its own process SIGINT where it cannot start a thread, and says so.
                assert command.process.returncode != 130 or "OpenBLAS" in command.told, command.told
            except AssertionError as wrong:
                raise AssertionError(f"{name} at {value}: {wrong}") from None
            code = str(command.process.returncode)
            counts[code] = counts.get(code, 0) + 1
    return _told(trial, counts)


@fault(
    "open-files-limit",
    "seven commands under limits of 12 to 64 open files (RLIMIT_NOFILE)",
    "each works, or ends with exit code 1, 2 or 3 and one line, or with 130 where OpenBLAS interrupts it",
    deadline_s=900,
)
def open_files_limit(trial: Trial) -> str:
    return limited(trial, resource.RLIMIT_NOFILE, (12, 16, 24, 32, 64))


@fault(
    "processes-limit",
    "seven commands under limits of 1 to 12 processes and threads (RLIMIT_NPROC), as a user of its own",
    "each works, or ends with exit code 1, 2 or 3 and one line, or with 130 where OpenBLAS interrupts it",
    deadline_s=900,
)
def processes_limit(trial: Trial) -> str:
    if os.geteuid() or shutil.which("setpriv") is None:
        raise SkippedError("root and setpriv are needed to become a user of its own")
    # Files stay readable for it; nothing else of root is kept.
    prefix = (
        "setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", "--bounding-set=-all,+dac_override",
        "--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override",
    )  # fmt: skip
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        raise SkippedError("setpriv cannot keep the right to read files")
    # What is made from now on may be used by that user, inside a folder that is closed to others.
    os.umask(0)
    os.chown(trial.folder, _USER, _USER)
    for path in (trial.store, *trial.store.iterdir()):
        os.chown(path, _USER, _USER)
    return limited(trial, resource.RLIMIT_NPROC, (1, 3, 6, 12), prefix)


@fault(
    "memory-limit",
    "seven commands under limits of 150 MB to 2 GB of memory (RLIMIT_AS)",
    "each works, or ends with exit code 1, 2 or 3 and one line, or with 130 where OpenBLAS interrupts it",
    deadline_s=900,
)
def memory_limit(trial: Trial) -> str:
    values = tuple(megabytes << 20 for megabytes in (150, 250, 400, 700, 2000))
    return limited(trial, resource.RLIMIT_AS, values)
