"""Whoever installs the project gets what its code imports, and nothing that only its tests need."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWN = {"harness", "opencensus_lean", "workloads"}


def imported() -> Iterator[str]:
    """Yield the full names of all modules imported anywhere in the two packages."""
    for path in [*ROOT.glob("harness/**/*.py"), *ROOT.glob("opencensus_lean/**/*.py"), *ROOT.glob("workloads/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (name.name for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                yield from (f"{node.module}.{name.name}" for name in node.names)


def names(requirements: list[str]) -> set[str]:
    return {requirement.split(">=")[0].split("[")[0] for requirement in requirements}


def distributions(modules: set[str]) -> set[str]:
    """Return the distributions that provide the modules; one of several is found by its folder inside the package."""
    by_top = packages_distributions()
    found = set()
    for module in modules:
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names | OWN:
            offered = {name.lower().replace("_", "-") for name in by_top.get(top, [top])}
            # opencensus and opentelemetry are namespaces, which several distributions share.
            longest = {name for name in offered if f"{module}.".startswith(f"{name.replace('-', '.')}.")}
            found |= {max(longest, key=len)} if longest else offered
    return found


def test_every_requirement_is_imported_by_the_code_that_is_installed() -> None:
    """A distribution that only tests import is a requirement of development."""
    needed = distributions(set(imported()))
    assert names(PROJECT["dependencies"]) - needed == set()
    assert "psutil" in names(PROJECT["optional-dependencies"]["dev"]) - needed


def test_everything_imported_is_required() -> None:
    """No module of the packages needs what neither the requirements nor an extra would install."""
    extras = PROJECT["optional-dependencies"]
    known = (
        names(PROJECT["dependencies"])
        | names(extras["opentelemetry"])
        | names(extras["cluster"])
        | names(extras["loop"])
        | names(extras["dogstatsd"])
        | names(extras["otlp"])
        | names(extras["statsd"])
    )
    assert distributions(set(imported())) - known == set()
