"""The trial of one fault: commands with folders of their own, after which nothing is lost and nothing left."""

import gzip
import json
import os
import random
import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.faults.leftovers import MARK, files_below, gone, kill_marked, marked
from benchmarks.stored_block import ROOT
from harness.history.envelope import Envelope
from harness.history.problems import Problem
from harness.history.store import Store
from tests.harness.cli.commands import Command, running

__all__ = ["LEFT_S", "SEED_STORE", "Trial", "accounted", "pause", "read_json"]

# Within which a command that was killed has to be followed by everything it started.
LEFT_S = 30.0
SEED_STORE = ROOT / "tests" / "data" / "earlier" / "runs"
# Where a command says that it has put a result that could not be stored.
_SPARE = re.compile(r"the result is (?:kept )?in (\S+\.json)")
_KEPT = re.compile(r"harness: kept as (\S+) in")


class Trial:
    """The folder, the store and the commands of one fault; `kills` and `seed` are for faults that kill at random."""

    def __init__(self, folder: Path, seed: int = 1, kills: int = 3) -> None:
        self.folder, self.seed, self.kills = folder, seed, kills
        self.random = random.Random(seed)  # noqa: S311 - when to kill, no secret
        self.mark = os.environ.get(MARK, str(os.getpid()))
        self.codes: list[int] = []
        self.spares: list[str] = []
        self.longest_s = 0.0
        self.left_s = 0.0
        # Folders that a command's temporary folder is inside of, and what is put where each command starts.
        self.files: dict[str, str] = {}
        self._commands = 0
        self.store = folder / "runs"
        self._before: dict[str, bytes] = {}
        self.use_store(self.store)

    def use_store(self, folder: Path) -> None:
        """Use a folder as the store from now on, with the stored results of an earlier version in it."""
        folder.mkdir(parents=True, exist_ok=True)
        for path in SEED_STORE.iterdir():
            (folder / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        self.store = folder
        self._before = self._documents()
        self.intact()

    def _documents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.store.glob("*.json")}

    def intact(self) -> None:
        """Assert that every stored result is whole, and that those from before the fault are there, byte by byte."""
        problems = [found.line for found in Store(self.store).runs() if isinstance(found, Problem)]
        assert not problems, f"damaged stored results: {problems}"
        now = self._documents()
        lost = [name for name, content in self._before.items() if now.get(name) != content]
        assert not lost, f"stored results lost or changed: {lost}"

    def added(self) -> list[Envelope]:
        """Return the results stored since the beginning, oldest first."""
        found = [each for each in Store(self.store).runs() if isinstance(each, Envelope)]
        return [each for each in found if f"{each.id}.json" not in self._before]

    def newest(self) -> dict[str, Any]:
        """Return the newest of them as a document."""
        added = self.added()
        assert added, "no result was stored"
        return dict(added[-1].document)

    @contextmanager
    def running(self, *arguments: str, **options: Any) -> Iterator[Command]:
        """Yield a running command; after the block it has ended, and nothing of it is left."""
        self._commands += 1
        place = self.folder / str(self._commands)
        place.mkdir()
        for name, text in self.files.items():
            (place / name).write_text(text)
        mark = f"{self.mark}.{self._commands}"
        before, os.environ[MARK] = os.environ.get(MARK), mark
        began = time.monotonic()
        try:
            with running(place, arguments, store=options.pop("store", self.store), **options) as command:
                yield command
                command.ended(0.0 if command.process.poll() is not None else 120.0)
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            self._settle(command, mark)
        finally:
            kill_marked(mark)
            if before is None:
                del os.environ[MARK]
            else:
                os.environ[MARK] = before

    def _settle(self, command: Command, mark: str) -> None:
        self.codes.append(command.process.returncode)
        took_s, left = gone(mark, LEFT_S)
        self.left_s = max(self.left_s, took_s)
        assert not left, f"left running: {left}"
        output = command.printed + command.told
        assert "Traceback (most recent call last)" not in output, f"a traceback: {command.told[-600:]}"
        spares = [Path(each).name for each in _SPARE.findall(command.told)]
        self.spares += spares
        files = [name for name in files_below(command.temporary) if name not in spares]
        assert not files, f"left in the temporary folder: {files}"
        halves = sorted(path.name for path in command.folder.rglob(".*.part"))
        assert not halves, f"half a file was left: {halves}"
        stored = {each.id for each in self.added()}
        lost = [each for each in _KEPT.findall(command.told) if each not in stored]
        assert not lost, f"said to be stored and not there: {lost}"

    def run(self, *arguments: str, codes: Collection[int] = (0,), within_s: float = 120.0, **options: Any) -> Command:
        """Run a command to its end, assert its exit code, and return it."""
        with self.running(*arguments, **options) as command:
            code = command.ended(within_s)
        assert code in codes, f"{' '.join(arguments)}: exit code {code} and not {sorted(codes)}: {command.told[-600:]}"
        if code in {1, 2} and not command.printed:
            self.one_line(command)
        return command

    @staticmethod
    def one_line(command: Command) -> str:
        """Assert that a command told of an error in one line, and return it."""
        lines = [line for line in command.told.splitlines() if line.startswith("harness: error: ")]
        assert len(lines) == 1, f"no single line of error: {command.told[-600:]}"
        return lines[0].removeprefix("harness: error: ")

    def processes(self, words: str) -> list[psutil.Process]:
        """Return the processes of the running command whose command line has `words`."""
        result = []
        for process in marked(self.mark, {os.getpid()}):
            try:
                if words in " ".join(process.cmdline()):
                    result.append(process)
            except psutil.Error:
                continue
        return result

    def kept(self) -> str:
        """Return in words what was stored since the beginning, and what was put elsewhere."""
        counts: dict[str, int] = {}
        for each in self.added():
            ledger = each.document.get("ledger")
            lines = f" of {ledger['offered']} lines" if ledger and len(self.added()) == 1 else ""
            what = f"{'interrupted ' if each.document.get('interrupted') else ''}{each.kind}{lines}"
            counts[what] = counts.get(what, 0) + 1
        parts = [f"{count} {what}" for what, count in counts.items()]
        if self.spares:
            parts.append(f"{len(self.spares)} in the temporary folder")
        return ", ".join([f"all {len(self._before)} earlier", *parts])

    def document(self) -> dict[str, Any]:
        """Return what a report needs of this trial."""
        return {
            "codes": sorted(set(self.codes)),
            "commands": self._commands,
            "kept": self.kept(),
            "longest_s": round(self.longest_s, 2),
            "left_s": round(self.left_s, 2),
        }


def accounted(document: dict[str, Any]) -> str:
    """Assert that a run's ledger adds up, and return its verdict and audit in words."""
    ledger = document["ledger"]
    sent = ledger["processed"] + ledger["failed"] + ledger["dropped"]
    assert ledger["offered"] == sent, ledger
    conserved = {True: "conserved", False: "not conserved", None: "not verified"}[document["audit"]["conserved"]]
    findings = sorted({each["name"] for each in document["audit"]["findings"]})
    return f"{document['verdict']}, {conserved}" + (f" ({', '.join(findings)})" if findings else "")


def pause(seconds: float) -> None:
    """Let time pass for a fault that has a length."""
    time.sleep(seconds)


def read_json(path: Path) -> dict[str, Any]:
    """Return a result file."""
    document: dict[str, Any] = json.loads(path.read_text())
    return document
