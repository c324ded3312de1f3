import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGES = ("workloads", "opencensus_lean", "harness")
ENTRY = re.compile(r"^- `([^`]+)` — (.*)$", re.MULTILINE)


def on_disk() -> set[str]:
    """Return the packages, with a slash at their end, and the modules."""
    files = [path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return {f"{path.parent}/" if path.name == "__init__.py" else str(path) for path in files}


def test_the_tree_in_the_document_is_the_tree_on_disk() -> None:
    """Every package and module has its line, and every line has its package or module."""
    listed = {path for path, _ in ENTRY.findall(PAGE)}
    missing, superfluous = sorted(on_disk() - listed), sorted(listed - on_disk())
    assert not missing, f"docs/architecture.md lacks a line for each of {missing}"
    assert not superfluous, f"docs/architecture.md has lines for what is not there: {superfluous}"


def test_each_module_stands_in_the_tree_once_with_a_sentence() -> None:
    """One place and one meaning for each module."""
    entries = ENTRY.findall(PAGE)
    assert [path for path, count in Counter(path for path, _ in entries).items() if count > 1] == []
    assert [path for path, sentence in entries if not sentence.endswith(".")] == []


def test_the_layers_in_the_document_are_those_that_lint_checks() -> None:
    """The table names each layer of the import contract, from the top down."""
    contract = re.search(r"layers = \[\n(.*?)\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.DOTALL)
    assert contract
    table = PAGE.partition("## Layers")[2].partition("## The tree")[0]
    rows = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\S+?)`", row)]
    assert named == re.findall(r"[\w.]+", contract[1])


def test_a_public_class_name_exists_once() -> None:
    """Whoever searches for a class finds one."""
    names = Counter(
        node.name
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in names.items() if count > 1] == []
