"""The limit of open files, which many workers reach before anything else."""

import resource

from harness.errors import RunError

__all__ = ["allow_files"]


def allow_files(count: int) -> None:
    """Let this process have `count` files open, as far as the system allows; raises `RunError` where it does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        raise RunError(
            f"so many workers need {count} open files, and the system allows {hard}; raise it (ulimit -Hn), "
            "or use fewer workers"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
