"""Import of pytest-benchmark's results from ``.benchmarks/`` into the history, each result once."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import SaveError, UsageError
from harness.history.files import read_whole
from harness.history.fingerprint import epoch_of
from harness.history.store import Store

__all__ = ["Imported", "import_benchmarks"]


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import: ids of new runs, files already there, and files left out with a reason each."""

    new: tuple[str, ...]
    known: tuple[Path, ...]
    problems: tuple[str, ...]


def import_benchmarks(store: Store, source: Path | str = Path(".benchmarks"), label: str = "") -> Imported:
    """Import one file of pytest-benchmark JSON, or all ``*.json`` below a folder; a bad file does not stop the others.

    Raises `UsageError` when `source` does not exist, `SaveError` when the store cannot be written.
    """
    top = Path(source)
    if not top.exists():
        raise UsageError(f"there is no {top}; give a pytest-benchmark JSON file, or a folder of them")
    new: list[str] = []
    known: list[Path] = []
    problems: list[str] = []
    have = {name.removesuffix(".json") for name in store.names()}
    for path in sorted(top.rglob("*.json")) if top.is_dir() else [top]:
        try:
            document, moment, name = _read(path)
            run_id = _keep(store, document, moment, name, label, have)
        except UsageError as error:
            text = str(error)
            problems.append(text if text.startswith(str(path)) else f"{path}: {text}")
        except FileExistsError:
            known.append(path)
        else:
            new.append(run_id)
            have.add(run_id)
    return Imported(tuple(new), tuple(known), tuple(problems))


def _keep(store: Store, document: Mapping[str, Any], moment: datetime, name: str, label: str, have: set[str]) -> str:
    if any(run_id.endswith(f"-{name}") for run_id in have):
        raise FileExistsError(name)
    machine = _map(document.get("machine_info"))
    commit = _map(document.get("commit_info"))
    revision = commit.get("id")
    git = {
        "revision": revision if isinstance(revision, str) and revision not in {"", "unknown", "unversioned"} else None,
        "branch": commit.get("branch"),
        "dirty": commit.get("dirty"),
    }
    described = _described(machine)
    fingerprint = {"machine": described, "epoch": epoch_of(described), "versions": {}}
    try:
        stored = store.save("suite", document, fingerprint=fingerprint, git=git, label=label, name=name, created=moment)
    except SaveError as error:
        # Another process imported the same file a moment ago.
        if "already kept" in str(error):
            raise FileExistsError(name) from error
        raise
    return stored.id


def _described(machine: Mapping[str, Any]) -> dict[str, Any]:
    cpu = _map(machine.get("cpu"))
    return {
        "cpu": str(cpu.get("brand_raw") or cpu.get("brand") or machine.get("processor") or ""),
        "cpu_count": cpu.get("count"),
        "machine": machine.get("machine"),
        "kernel": f"{machine.get('system', '')} {machine.get('release', '')}".strip(),
        "python": f"{machine.get('python_implementation', '')} {machine.get('python_version', '')}".strip(),
        "python_build": machine.get("python_build"),
        "hash_seed": "unknown",
        # Where the processor is not named, the host is all that tells machines apart.
        "node": machine.get("node"),
    }


def _read(path: Path) -> tuple[Mapping[str, Any], datetime, str]:
    """Return the document, its time, and a name derived from its content; raises `UsageError` for anything else."""
    try:
        document = json.loads(read_whole(path))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not whole JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("benchmarks"), list):
        raise UsageError(f"{path}: not pytest-benchmark JSON (it has no list of benchmarks)")
    try:
        moment = datetime.fromisoformat(document["datetime"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: not pytest-benchmark JSON (it has no datetime)") from error
    try:
        content = json.dumps(document, sort_keys=True).encode()
    except RecursionError as error:
        raise UsageError(f"{path}: not pytest-benchmark JSON (it is too deep)") from error
    # pytest-benchmark before 3.1 wrote UTC without saying so.
    return document, moment if moment.tzinfo else moment.replace(tzinfo=UTC), hashlib.sha256(content).hexdigest()[:16]


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
