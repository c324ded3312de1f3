"""A run of many workers raises the limit of open files, or says that it cannot."""

import subprocess
import sys

import pytest

PROBE = """
import resource, sys
from harness.host.open_files import allow_files
resource.setrlimit(resource.RLIMIT_NOFILE, (100, int(sys.argv[2])))
allow_files(int(sys.argv[1]))
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("wanted", "hard", "outcome"),
    [(50, 300, "(100, 300)"), (200, 300, "(200, 300)"), (301, 300, "need 301 open files, and the system allows 300")],
)
def test_the_limit_is_raised_as_far_as_the_system_allows(wanted: int, hard: int, outcome: str) -> None:
    """Never lowered, and one line where it is too low for good."""
    command = [sys.executable, "-c", PROBE, str(wanted), str(hard)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert outcome in done.stdout + done.stderr
