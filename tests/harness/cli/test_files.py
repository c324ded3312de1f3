"""Result files are whole or absent, and a result is never lost with the file it was meant for."""

import errno
import json
import os
import stat
import tempfile
from pathlib import Path

import pytest

from harness.cli import files
from harness.errors import SaveError, UsageError


def full_disk(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("path", "says"),
    [("", "is a folder; name a file"), ("no/such/f.json", "there is no folder")],
)
def test_a_place_that_cannot_be_written_is_told_before_with_its_flag(tmp_path: Path, path: str, says: str) -> None:
    """Before minutes of measuring, and with nothing made."""
    with pytest.raises(UsageError, match=rf"^--output: .*{says}"):
        files.check_writable(tmp_path / path, "--output")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half of the new one, and no file beside it."""
    path = tmp_path / "page.html"
    files.write_file("old", path, "--output")
    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(SaveError, match=r"^--output: .*No space left"):
        files.write_file("new", path, "--output")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("page.html", "old")]


def test_a_result_that_cannot_be_written_is_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says where, and what is there is the whole document."""
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spare"))
    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(SaveError, match=r"^--json: .*; the result is kept in ") as raised:
        files.save_json({"a": [1, 2]}, tmp_path / "f.json")
    (kept,) = (tmp_path / "spare").iterdir()
    assert str(raised.value).endswith(str(kept))
    assert json.loads(kept.read_text()) == {"a": [1, 2]}


def test_what_is_no_file_is_written_to_and_not_replaced() -> None:
    """A device such as /dev/null stays a device."""
    files.write_whole("text", Path("/dev/null"))
    assert Path("/dev/null").is_char_device()


def test_a_file_that_is_not_whole_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill while it is written leaves nothing beside it."""
    seen: list[list[Path]] = []
    monkeypatch.setattr("os.fsync", lambda _descriptor: seen.append(list(tmp_path.iterdir())))
    files.write_whole("text", tmp_path / "page.html")
    assert seen == [[]]
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("page.html", "text")]


def test_a_file_system_without_unnamed_files_or_links_does_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is written all the same, with the mode that the user's mask allows."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    mask = os.umask(0o027)
    try:
        files.write_whole("text", tmp_path / "page.html")
    finally:
        os.umask(mask)
    (page,) = tmp_path.iterdir()
    assert (page.name, page.read_text(), stat.S_IMODE(page.stat().st_mode)) == ("page.html", "text", 0o640)


def test_half_a_spare_copy_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the temporary folder is full as well, nothing is said to be there, and nothing is."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fdopen", full)
    assert files.spare_copy({"a": 1}) is None
    assert list(tmp_path.iterdir()) == []
