"""Files of results, read whole as long as they are no longer than any of ours."""

import errno
import os
import stat
from pathlib import Path

__all__ = ["MOST_BYTES", "read_whole"]

# Ten times the whole matrix with every raw pair. A device such as /dev/zero has no end.
MOST_BYTES = 64 << 20


def read_whole(path: Path) -> bytes:
    """Return the bytes of a file; raises `OSError`, also for one of more than `MOST_BYTES`, and for a name with NUL."""
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            data = (
                b"" if about.st_size > MOST_BYTES else file.read(-1 if stat.S_ISREG(about.st_mode) else MOST_BYTES + 1)
            )
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    if max(len(data), about.st_size) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {MOST_BYTES >> 20} MiB", str(path))
    return data
