"""The fingerprint of a result: the machine, which decides comparability, and the versions, which are compared.

The machine (processor, kernel, interpreter, hash seed policy) defines the epoch: nanoseconds are compared within one
epoch only. The kernel's patch level and the interpreter's build date are stored as information and open no epoch. Nor
do the versions of the libraries and the revision of the user's project: they are what history compares.
"""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["epoch_in", "epoch_of", "fingerprint", "git_state"]

_GIT_PATIENCE_S = 10.0
# "Linux 6.8.0-1021-azure" is "Linux 6.8" with a patch level.
_PATCHED_KERNEL = re.compile(r"^(\D*\d+\.\d+).*$", re.DOTALL)
# As in "main Dec  4 2023 18:10:11 GCC 12.2.0 3.11.7" and, imported, in ["main", "Dec  4 2023 18:10:11"].
_BUILD_DATE = re.compile(r"[A-Z][a-z]{2} {1,2}\d{1,2} \d{4},? +\d{2}:\d{2}:\d{2} *")


def epoch_of(machine: Mapping[str, Any]) -> str:
    """Return 12 hexadecimal letters that are equal for equal machines, whatever the order of the keys.

    The kernel counts by its first two numbers, the interpreter's build without its date.
    """
    counted = dict(machine)
    if isinstance(kernel := counted.get("kernel"), str):
        counted["kernel"] = _PATCHED_KERNEL.sub(r"\1", kernel)
    build = counted.get("python_build")
    if isinstance(build, str):
        counted["python_build"] = _BUILD_DATE.sub("", build)
    elif isinstance(build, list | tuple):
        counted["python_build"] = [_BUILD_DATE.sub("", str(part)) for part in build]
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:12]


def epoch_in(fingerprint: Mapping[str, Any]) -> str:
    """Return the epoch of a stored fingerprint: `epoch_of` its machine, or else the stored one.

    Earlier versions stored an epoch that a patch level opened; a fingerprint without a kernel keeps its own.
    """
    machine = fingerprint.get("machine")
    if isinstance(machine, Mapping) and "kernel" in machine:
        return epoch_of(machine)
    return str(fingerprint.get("epoch", "unknown"))


def fingerprint() -> dict[str, Any]:
    """Return this process's fingerprint: ``machine``, its ``epoch``, and ``versions`` of the libraries measured."""
    # pydantic is behind it, and listing the history does without.
    from harness.host.environment import environment

    here = environment()
    machine = {
        "cpu": here.cpu,
        "cpu_count": os.cpu_count() or here.cpu_count,
        "machine": here.machine,
        "kernel": here.kernel,
        "python": here.python,
        "python_build": here.python_build,
        "hash_seed": _hash_seed_policy(here.hash_seed),
    }
    return {"machine": machine, "epoch": epoch_of(machine), "versions": dict(here.libraries)}


def _hash_seed_policy(seed: str) -> str:
    """Return ``random`` or ``fixed:N``: with a fixed seed all processes share one memory layout."""
    return "random" if seed in {"", "random"} else f"fixed:{seed}"


def git_state(folder: Path | str = ".") -> dict[str, Any]:
    """Return ``revision``, ``branch`` and ``dirty`` of the project around `folder`; nulls without git or repository.

    Untracked files do not make it dirty: results are written beside the code they measure.
    """
    revision = _git(folder, "rev-parse", "--verify", "HEAD")
    if revision is None:
        return {"revision": None, "branch": None, "dirty": None}
    branch = _git(folder, "symbolic-ref", "--short", "-q", "HEAD")
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"revision": revision, "branch": branch or None, "dirty": None if status is None else bool(status)}


def _git(folder: Path | str, *arguments: str) -> str | None:
    # Optional locks off: looking must never make a commit going on beside it fail.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git, from PATH
            capture_output=True,
            timeout=_GIT_PATIENCE_S,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None
