"""What all tests share: those that need the real Prometheus, or namespaces, are skipped without, unless required."""

import os
import shutil
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import settings

# The machine may be busy, and a test must fail for a reason only: no deadlines, and the same examples every time.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

REQUIRED = "HARNESS_REQUIRE_PROMETHEUS"
NAMESPACES_REQUIRED = "HARNESS_REQUIRE_NAMESPACES"


@pytest.fixture(autouse=True, scope="session")
def _no_test_writes_into_the_history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands that keep their results keep them in a folder of the session, not in the one they were started in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_STORE", str(tmp_path_factory.mktemp("history")))
        yield


def _missing() -> str:
    server = os.environ.get("PROMETHEUS_BIN") or "prometheus"
    return ", ".join(program for program in (server, "promtool") if shutil.which(program) is None)


def _no_prometheus() -> str:
    missing = _missing()
    return f"{missing} is missing; install Debian's package prometheus" if missing else ""


@cache
def _no_namespaces() -> str:
    from tests.harness.distributed.hosts import why_not

    return why_not()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``prometheus`` or ``namespaces`` where that is not to be had; fail it where it is required.

    HARNESS_REQUIRE_PROMETHEUS=1 and HARNESS_REQUIRE_NAMESPACES=1 require it.
    """
    for mark, why_not, required in (
        ("prometheus", _no_prometheus, REQUIRED),
        ("namespaces", _no_namespaces, NAMESPACES_REQUIRED),
    ):
        if item.get_closest_marker(mark) is None or not (why := why_not()):
            continue
        if os.environ.get(required) == "1":
            pytest.fail(f"{why}, and {required}=1 requires it", pytrace=False)
        pytest.skip(why)
