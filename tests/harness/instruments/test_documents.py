import re
import sys
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from harness.instruments import BUILT_IN, Instrument, create
from harness.instruments.catalog import ENTRY_POINT_GROUP
from harness.views import QUICKSTART_VIEWS, Tags

DOCUMENT = Path(__file__).parents[3] / "docs" / "instruments.md"


def test_the_worked_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page tells a reader to paste records lines."""
    found = re.search(r"```python\n# own.py\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    (tmp_path / "own.py").write_text(found[1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = create("own:Own", QUICKSTART_VIEWS)
    made.record(1.0, 5, Tags())
    assert isinstance(made, Instrument)
    page = generate_latest(made.registry).decode()
    assert re.search(r'^oc_python_demo_line_lengths_bucket\{.*le="5\.0".*\} 1\.0$', page, re.MULTILINE)
    made.close()


def test_every_instrument_stands_in_the_table() -> None:
    """A name that can be chosen is explained, and the group of entry points is the one that is searched."""
    text = DOCUMENT.read_text()
    assert [name for name in BUILT_IN if f"\n| `{name}` |" not in text] == []
    assert f'[project.entry-points."{ENTRY_POINT_GROUP}"]' in text
