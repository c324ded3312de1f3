"""What commands and the operating system agree on: the exit code after Ctrl-C, Linux, and the limits of a process."""

import errno
import resource
import sys

from harness.errors import RunError

__all__ = ["INTERRUPTED", "require_linux", "require_memory", "shortage"]

INTERRUPTED = 130

_LEAST_BYTES = 320 << 20
_MEMORY = "there is not enough memory: free some, or raise the limit (ulimit -v, or that of the cgroup)"
_PROCESSES = "no process or thread can be started: end some, or raise the limit (ulimit -u, or that of the cgroup)"
_FILES = "no more files can be opened: raise the limit (ulimit -n)"
_LIMITS = {errno.ENOMEM: _MEMORY, errno.EAGAIN: _PROCESSES, errno.EMFILE: _FILES, errno.ENFILE: _FILES}


def require_linux(command: str) -> None:
    """Raise `RunError` on another system: pinning to cores, timer slack and the scheduler's own figures are Linux's."""
    if not sys.platform.startswith("linux"):
        raise RunError(
            f"harness {command} needs Linux, and this is {sys.platform}; use a Linux machine, or a container on one; "
            "what was measured there can be read here with harness report and harness history"
        )


def require_memory() -> None:
    """Raise `RunError` under a limit of memory with which numpy and scipy cannot be imported.

    OpenBLAS, which comes with them, neither fails nor returns where it gets too little.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < _LEAST_BYTES:
        raise RunError(
            f"the limit of memory is {limit >> 20} MiB, and at least {_LEAST_BYTES >> 20} MiB are needed: raise it "
            "(ulimit -v)"
        )


def shortage(error: BaseException) -> str:
    """Return which limit of the process an exception tells of, in one line with a remedy; empty where it is of none."""
    if isinstance(error, MemoryError):
        return _MEMORY
    if isinstance(error, OSError):
        return _LIMITS.get(error.errno or 0, "")
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return _PROCESSES
    if isinstance(error, ImportError):
        # A limit of memory or of open files is often met first by an import.
        reason = " ".join(str(error).split())
        return f"a module cannot be imported ({reason}): the module, memory or open files are missing"
    return ""
