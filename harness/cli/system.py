"""What commands and the operating system agree on: the exit code after Ctrl-C, and the system needed to measure."""

import sys

from harness.errors import RunError

__all__ = ["INTERRUPTED", "require_linux"]

INTERRUPTED = 130


def require_linux(command: str) -> None:
    """Raise `RunError` on another system: pinning to cores, timer slack and the scheduler's own figures are Linux's."""
    if not sys.platform.startswith("linux"):
        raise RunError(
            f"harness {command} needs Linux, and this is {sys.platform}; use a Linux machine, or a container on one; "
            "what was measured there can be read here with harness report and harness history"
        )
