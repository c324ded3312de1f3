"""Result files: checked before a measurement, written whole or not at all."""

import json
import os
import secrets
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
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(json.dumps(document, indent=2) + "\n")
        except OSError:
            Path(spare).unlink()
        else:
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
    partial = path.with_name(f".{path.name}-{secrets.token_hex(4)}.part")
    try:
        try:
            _write_unnamed(text, partial)
        except OSError:
            # Not every file system has files without a name; a full one is so once more.
            _write(text, os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _write_unnamed(text: str, path: Path) -> None:
    """Write a new file that has no name until it is whole, so that a kill leaves none; raises `OSError`."""
    descriptor = os.open(path.parent, getattr(os, "O_TMPFILE", 0) | os.O_WRONLY, 0o666)
    try:
        _write(text, os.dup(descriptor))
        # With a descriptor of a folder to start from, which an absolute path does not use, the link is followed.
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _write(text: str, descriptor: int) -> None:
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
