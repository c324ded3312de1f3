"""What the measured process imports: it shares memory and caches with what is measured."""

import subprocess
import sys

import pytest

from harness.instruments.catalog import BUILT_IN
from harness.measure.service.deployments import DEPLOYMENTS

pytestmark = pytest.mark.system

# What only the process that starts it needs; the contract in pyproject.toml says the same of our own imports.
FORBIDDEN = {"numpy", "scipy", "pydantic", "rich", "click", "httpx", "faker"}
# What the bare REPL does without as well.
HEAVY = {
    "subprocess", "importlib.metadata", "prometheus_client", "http.server", "ssl", "opencensus", "opentelemetry",
    "threading", "ctypes",
}  # fmt: skip


def modules_of(instrument: str) -> set[str]:
    """Return the names of all modules of a process that has built the body of `instrument`."""
    code = (
        "import sys, harness.measure.worker.blocks\n"
        "from harness.measure.subject import Subject\n"
        "from harness.measure.worker.build import build\n"
        f"build(Subject(instrument={instrument!r}))\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("instrument", sorted(BUILT_IN))
def test_no_instrument_brings_a_library_of_the_parent_into_the_measured_process(instrument: str) -> None:
    """Whatever way of recording is measured."""
    assert modules_of(instrument) & FORBIDDEN == set()


def test_the_bare_repl_imports_no_metrics_library() -> None:
    """The base of all comparisons holds nothing that it does not need."""
    assert modules_of("none") & (FORBIDDEN | HEAVY) == set()


@pytest.mark.parametrize("deployment", sorted(DEPLOYMENTS))
def test_a_measured_service_imports_no_library_of_the_parent(deployment: str) -> None:
    """Whatever library is measured in it; uvicorn itself imports click."""
    code = (
        "import sys, harness.measure.service.process\n"
        "from harness.measure.service.deployments import load_deployment\n"
        f"load_deployment({deployment!r})\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & FORBIDDEN <= {"click"}
