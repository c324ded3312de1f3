"""A benchmark's stored figures and the block of a page that is written from them."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCALE = ROOT / "docs" / "scale.md"


def write_block(name: str, text: str, page: Path = SCALE) -> None:
    """Write `text` between the markers `name` of a page; raises `SystemExit` where they are missing."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{page}: the markers {begin} and {end} are missing")
    page.write_text(f"{head}{begin}\n{text.strip()}\n{end}{tail}", encoding="utf-8")


def store(name: str, figures: dict[str, Any], folder: Path = ROOT / "docs" / "data") -> Path:
    """Store figures as JSON in docs/data; equal figures give equal bytes. Returns the file."""
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return path


def load(name: str, folder: Path = ROOT / "docs" / "data") -> dict[str, Any]:
    """Return stored figures; raises `SystemExit` where there are none."""
    path = folder / f"{name}.json"
    if not path.is_file():
        raise SystemExit(f"{path} does not exist: measure first")
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return figures


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table whose columns, all but the first, are aligned to the right."""
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines) + "\n"


def add_options(parser: argparse.ArgumentParser, page: Path = SCALE) -> None:
    """Add the options of `publish`."""
    shown = page.relative_to(ROOT)
    parser.add_argument("--docs", action="store_true", help=f"store in docs/data and write {shown} as well")
    parser.add_argument("--render", action="store_true", help=f"write {shown} again from docs/data")


def publish(
    name: str,
    figures: dict[str, Any],
    text: str,
    missed: Sequence[str],
    *,
    docs: bool,
    render: bool,
    page: Path = SCALE,
) -> int:
    """Store figures that were measured, print `text`, write it into the page if asked to; return 1 for missed bars."""
    if not render:
        store(name, figures, ROOT / "docs" / "data" if docs else ROOT / ".benchmarks")
    print(text)
    if docs or render:
        write_block(name, text, page)
    for each in missed:
        print(f"missed: {each}")
    return int(bool(missed))
