"""What all tests share: those that need the real Prometheus are skipped without it, unless it is required."""

import os
import shutil
from collections.abc import Iterator

import pytest
from hypothesis import settings

# The machine may be busy, and a test must fail for a reason only: no deadlines, and the same examples every time.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

REQUIRED = "HARNESS_REQUIRE_PROMETHEUS"


@pytest.fixture(autouse=True, scope="session")
def _no_test_writes_into_the_history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands that keep their results keep them in a folder of the session, not in the one they were started in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_STORE", str(tmp_path_factory.mktemp("history")))
        yield


def _missing() -> str:
    server = os.environ.get("PROMETHEUS_BIN") or "prometheus"
    return ", ".join(program for program in (server, "promtool") if shutil.which(program) is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``prometheus`` when there is none; fail it when HARNESS_REQUIRE_PROMETHEUS=1 says so."""
    if item.get_closest_marker("prometheus") is None:
        return
    missing = _missing()
    if missing and os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{missing} is missing, and {REQUIRED}=1 requires it", pytrace=False)
    if missing:
        pytest.skip(f"{missing} is missing; install Debian's package prometheus")
