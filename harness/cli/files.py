"""Result files: checked before a measurement, written whole or not at all."""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.errors import SaveError, UsageError

__all__ = ["check_writable", "save_json", "spare_copy", "write_file", "write_whole"]


def check_writable(path: Path, flag: str = "--json") -> None:
    """Find out before the run, not after it, that the result cannot be written."""
    folder = path.parent
    if path.is_dir():
        raise UsageError(f"{flag}: {str(path)!r} is a folder; name a file")
    if not folder.is_dir():
        raise UsageError(f"{flag}: there is no folder {str(folder)!r}")
    target = path if path.exists() else folder
    if not os.access(target, os.W_OK):
        raise UsageError(f"{flag}: {str(target)!r} is not writable")


def save_json(document: Mapping[str, Any], path: Path) -> None:
    """Write `document` whole or not at all; where that fails, save it in the temporary folder and say where."""
    try:
        write_whole(json.dumps(document, indent=2) + "\n", path)
    except OSError as error:
        spare = spare_copy(document)
        remedy = f"the result is kept in {spare}" if spare else "free some space and run again"
        raise SaveError(f"--json: {str(path)!r}: {error.strerror}; {remedy}") from error


def spare_copy(document: Mapping[str, Any]) -> str | None:
    """Write the document to the temporary folder and return where; None when not even that can be written."""
    with suppress(OSError):
        handle, spare = tempfile.mkstemp(prefix="harness-result-", suffix=".json")
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(json.dumps(document, indent=2) + "\n")
        return spare
    return None


def write_file(text: str, path: Path, flag: str) -> None:
    """Write the file that `flag` names, whole or not at all; raises `SaveError`."""
    try:
        write_whole(text, path)
    except OSError as error:
        raise SaveError(f"{flag}: {str(path)!r}: {error.strerror or error}") from error


def write_whole(text: str, path: Path) -> None:
    """Write a file whole or not at all; raises `OSError`."""
    if path.exists() and not path.is_file():
        # A device or a pipe, such as /dev/stdout, cannot be replaced.
        path.write_text(text, encoding="utf-8")
        return
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}-", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(partial).chmod(0o666 & ~umask)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
