"""What is installed from a wheel works without the checkout it was built from."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# What is in the package's folder for its own distribution.
OF_ANOTHER_DISTRIBUTION = {f"opencensus_lean/{name}" for name in ("pyproject.toml", "README.md", "LICENSE")}
# What a checkout has at its top level and an installed copy has to find elsewhere.
LOOK = """
import harness, workloads
from harness.scrape.prometheus.server import default_config
print(harness.__file__, workloads.__file__, default_config(), sep="\\n")
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds what the wheel installs, and nothing else of this project."""
    built, folder = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("site")
    asked = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(built), str(ROOT)]
    subprocess.run(asked, check=True, timeout=300)
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(unpacked: Path, *arguments: str, allowed: tuple[int, ...] = (0,)) -> str:
    """Run Python far from the checkout, with the unpacked wheel before everything else, and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "HARNESS_STORE": str(unpacked / "runs")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=unpacked,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in allowed, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_wheel_holds_every_module_and_file_of_its_packages(unpacked: Path) -> None:
    """Whatever git knows of the packages is in the wheel, scenarios included, and no more than that.

    Of opencensus_lean these are the files that its own wheel has, so that an environment may have both.
    """
    listed = subprocess.run(
        ["git", "ls-files", "harness", "workloads", "opencensus_lean"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    listed = [name for name in listed if name not in OF_ANOTHER_DISTRIBUTION]
    there = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert {name for name in there if ".dist-info/" not in name} == {*listed, "harness/promconfig.yaml"}


@pytest.mark.slow
def test_an_installed_copy_runs_a_scenario_and_finds_its_configuration(unpacked: Path) -> None:
    """The scenarios and promconfig.yaml come from the wheel; a run, and an experiment's fresh processes, work there."""
    for path in run(unpacked, "-c", LOOK).splitlines():
        assert Path(path).is_relative_to(unpacked)
    # On a busy machine the load may miss its schedule, which ends with 1 as well.
    asked = ["run", "quickstart", "--duration", "1s", "--scraper", "builtin"]
    told = run(unpacked, "-m", "harness.cli", *asked, allowed=(0, 1))
    assert "every count equals the ledger's" in " ".join(told.split())
    # One honest experiment in a hundred is void, and says so with 1.
    asked = ["overhead", "--instruments", "prometheus-client", "--budget", "3s", "--quiet"]
    told = run(unpacked, "-m", "harness.cli", *asked, allowed=(0, 1))
    assert "prometheus-client" in told
    assert len(list((unpacked / "runs").glob("*.json"))) == 2
