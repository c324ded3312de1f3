"""What the garbage collector walks in a measured process: what the subject made, the heap asked for, nothing else."""

import gc
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.actions.overhead import plan
from harness.errors import UsageError
from harness.measure.pairs.side import Lines, Side, cores
from harness.measure.subject import Subject
from harness.measure.worker.heap import application_heap
from harness.views import Tags

ROOT = Path(__file__).parents[4]
FEW = Lines(("one line", "and another"), (Tags("a"), Tags("a")))
SHOP = """
import gc, json, os, pathlib
from prometheus_client import Counter
SOLD = Counter("sold", "Sold.", ["what"])
def sell(line):
    SOLD.labels("tea").inc()
    walked = gc.get_objects()
    found = {
        "child": any(each is SOLD.labels("tea") for each in walked),
        "lines": any(type(each) is tuple and "one line" in each for each in walked),
        "records": sum(type(each).__qualname__ == "_Record" for each in walked),
    }
    pathlib.Path(__file__).with_name(f"walked.{os.getpid()}").write_text(json.dumps(found))
"""


@pytest.mark.slow
@settings(max_examples=15)
@given(st.integers(1, 2000))
def test_a_heap_has_as_many_objects_as_were_asked_for(objects: int) -> None:
    """Each is one that the collector tracks and keeps: none is let go because it holds nothing to walk."""
    heap = application_heap(objects)
    gc.collect()  # which stops tracking what holds nothing to walk
    found, waiting = {id(heap): heap}, [heap]
    while waiting:
        for each in gc.get_referents(waiting.pop()):
            if gc.is_tracked(each) and not isinstance(each, type) and id(each) not in found:
                found[id(each)] = each
                waiting.append(each)
    assert len(found) == objects


def test_the_count_is_exact_in_a_process_of_its_own() -> None:
    """Two hundred thousand asked for are two hundred thousand, all of them walked."""
    script = (
        "import gc\nfrom harness.measure.worker.heap import application_heap\ngc.collect()\ngc.freeze()\n"
        "heap = application_heap(200_000)\ngc.collect()\nprint(len(gc.get_objects()), gc.get_count()[2])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert abs(int(done.stdout.split()[0]) - 200_000) <= 3


@pytest.mark.parametrize("objects", [0, 4001])
def test_only_what_the_harness_holds_is_hidden_from_the_collector(tmp_path: Path, objects: int) -> None:
    """The subject's series are walked as in the user's program, and so is the heap; the harness' lines are not."""
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    subject = Subject("own", target="shop:sell", folder=str(tmp_path), path=str(tmp_path), heap=objects)
    with Side(subject, random.Random(1)) as side:  # noqa: S311 - no secret
        side.load(FEW, cores())
        side.loaded()
        side.ask({"do": "run", "lines": 1})
        found = json.loads((tmp_path / f"walked.{side.pid}").read_text())
    assert found == {"child": True, "lines": False, "records": max(0, objects - 1) // 4}


def test_a_heap_is_a_condition_of_both_sides() -> None:
    """It stands among the conditions where there is one, and is left out where there is none."""
    assert Subject(heap=1000).factors["heap"] == 1000
    assert "heap" not in Subject().factors
    with pytest.raises(UsageError, match="are not between"):
        Subject(heap=10**9)


def test_a_heap_is_no_condition_of_counted_instructions() -> None:
    """What is counted there leaves collections out, so a heap is refused and not ignored."""
    assert plan("table", {"heap": 1000}).mode == "comparison"
    assert plan("table", {"target": "a:b", "heap": 1000}).mode == "target"
    with pytest.raises(UsageError, match="instructions are counted") as refused:
        plan("table", {"instruments": ("none",), "heap": 1000, "axis": "instructions"})
    assert refused.value.field == "heap"


def test_the_flag_takes_a_count() -> None:
    """200k is two hundred thousand, and a word is refused by the flag's name."""
    from harness.cli.commands.overhead import overhead

    done = CliRunner().invoke(overhead, ["--heap", "many"])
    assert done.exit_code == 2
    assert "--heap" in done.output


@pytest.mark.parametrize("instrument", ["none", "prometheus-client", "opencensus"])
def test_the_collector_is_on_while_lines_are_timed(instrument: str) -> None:
    """It is off only until a worker has imported what it needs: collecting is part of what recording costs."""
    program = (
        "import gc, os\nfrom harness.measure.worker.blocks import _Session\n"
        "from harness.measure.subject import Subject\n"
        "gc.disable()\nsession, core = _Session(), min(os.sched_getaffinity(0))\n"
        f"subject = Subject({instrument!r}).to_json()\n"
        "session.answer({'do': 'load', 'subject': subject, 'lines': ['a'], 'tags': [['a', 'OK', '']],\n"
        "                'cores': (core, core), 'start': core, 'roam': False, 'port': None})\n"
        "print(gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["True"]
