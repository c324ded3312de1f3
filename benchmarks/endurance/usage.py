"""Memory, descriptors and threads of a process and of all it started, by role, sampled from outside."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import psutil

COMMAND = "harness"
# Roles by what the command line holds, the first that fits; see `role_of`.
_BY_WORD = {
    "keeper.py": "keeper",
    "harness.live.process": "live page",
    "harness.distributed.forking": "starter",
    "harness.scrape.builtin.process": "scraper",
}
# What a process of a role starts; the starter's copies of itself have its command line.
_STARTED_BY = {"keeper": "prometheus", "starter": "worker"}


@dataclass
class Readings:
    """Samples of one process: seconds since the start of the sampling, memory in kB, open descriptors and threads."""

    at_s: list[float] = field(default_factory=list)
    rss_kb: list[int] = field(default_factory=list)
    uss_kb: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def after(self, second: float) -> "Readings":
        """Return the samples from a second on."""
        held = [place for place, at_s in enumerate(self.at_s) if at_s >= second]
        return Readings(*([column[place] for place in held] for column in self._columns()))

    def _columns(self) -> tuple[list[Any], ...]:
        return self.at_s, self.rss_kb, self.uss_kb, self.descriptors, self.threads

    def document(self) -> dict[str, str]:
        """Return each column as numbers in one text, which keeps a stored file short."""
        return {
            "at_s": " ".join(f"{at_s:.1f}" for at_s in self.at_s),
            **{
                name: " ".join(map(str, column))
                for name, column in zip(_WHOLE, self._columns()[1:], strict=True)
            },
        }  # fmt: skip

    @classmethod
    def of(cls, document: Mapping[str, str]) -> "Readings":
        """Return the samples of a `document`."""
        return cls(
            [float(each) for each in document["at_s"].split()],
            *([int(each) for each in document[name].split()] for name in _WHOLE),
        )


_WHOLE = ("rss_kb", "uss_kb", "descriptors", "threads")


def role_of(command: Sequence[str], parent: str) -> str:
    """Return the role of a process from its command line and the role of the one that started it."""
    if parent in _STARTED_BY:
        return _STARTED_BY[parent]
    names = {PurePath(part).name for part in command} | set(command)
    return next((role for word, role in _BY_WORD.items() if word in names), "other")


def processes(root: psutil.Process) -> Iterator[tuple[str, psutil.Process]]:
    """Yield a process and all it started with their roles; of several with one role all are numbered, by process id.

    What has ended meanwhile is left out.
    """
    yield COMMAND, root
    roles = {root.pid: COMMAND}
    by_role: dict[str, list[psutil.Process]] = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        # A parent comes before its children.
        for child in root.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                role = roles[child.pid] = role_of(child.cmdline(), roles.get(child.ppid(), ""))
                by_role.setdefault(role, []).append(child)
    for role, those in by_role.items():
        for number, each in enumerate(sorted(those, key=lambda one: one.pid)):
            yield (role if len(those) == 1 else f"{role} {number}"), each


class Usage:
    """The samples of a process and of all it started, by role."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self.readings: dict[str, Readings] = {}

    def sample(self, at_s: float) -> None:
        """Take one sample of each process; one that has ended meanwhile is left out."""
        for role, process in processes(self._root):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                with process.oneshot():
                    memory, threads = process.memory_full_info(), process.num_threads()
                descriptors = process.num_fds()
                if not memory.uss:
                    continue  # it has ended, and waits to be reaped
                readings = self.readings.setdefault(role, Readings())
                readings.at_s.append(at_s)
                readings.rss_kb.append(memory.rss // 1024)
                readings.uss_kb.append(memory.uss // 1024)
                readings.descriptors.append(descriptors)
                readings.threads.append(threads)

    def peak_mb(self) -> dict[str, float]:
        """Return the largest resident memory of each role in MB, numbered ones together by the largest."""
        return {role: max(each.rss_kb) * 1024 / 1e6 for role, each in self.readings.items()}
