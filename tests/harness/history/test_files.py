"""Files are read whole, unless they are longer than any of ours."""

import os
from pathlib import Path

import pytest

from harness.history.files import MOST_BYTES, read_whole


def test_a_file_comes_whole(tmp_path: Path) -> None:
    """However long, up to the most."""
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert read_whole(path) == b"abc"


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    """A sparse one, which takes no room on the disk, and a device without an end."""
    path = tmp_path / "a"
    path.touch()
    os.truncate(path, MOST_BYTES + 1)
    for each in (path, Path("/dev/zero")):
        with pytest.raises(OSError, match="more than 64 MiB"):
            read_whole(each)


def test_a_name_that_cannot_be_one_is_an_error_of_the_system() -> None:
    """As that of a file that is not there."""
    with pytest.raises(OSError, match="null byte"):
        read_whole(Path("a\0b"))
