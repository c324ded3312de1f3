import subprocess
import sys
from pathlib import Path

import pytest

from harness.scrape.builtin.scraper import child_environment

pytestmark = pytest.mark.system

TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize(("required", "outcome"), [("0", "1 skipped"), ("1", "1 error")])
def test_a_missing_server_skips_unless_it_is_required(tmp_path: Path, required: str, outcome: str) -> None:
    """Without Prometheus its tests are skipped; where it is required they do not pass silently."""
    test = tmp_path / "test_it.py"
    test.write_text("import pytest\n@pytest.mark.prometheus\ndef test_it(): raise AssertionError('was run')\n")
    environment = child_environment() | {"PATH": str(tmp_path), "HARNESS_REQUIRE_PROMETHEUS": required}
    environment.pop("PROMETHEUS_BIN", None)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        str(TESTS.parent / "pyproject.toml"),
    ]
    done = subprocess.run(
        [*command, f"--confcutdir={TESTS}", "-p", "tests.conftest", str(test)],
        cwd=TESTS.parent, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outcome in done.stdout, done.stdout
    assert "was run" not in done.stdout
    assert (done.returncode != 0) is (required == "1")
