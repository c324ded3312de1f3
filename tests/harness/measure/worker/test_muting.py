"""What a user's own function is measured against: itself, with everything it records switched off, and proved to be."""

import ast
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import prometheus_client.metrics
import pytest

from harness.errors import InstrumentError
from harness.measure.pairs.side import Lines, Side, cores
from harness.measure.subject import Subject
from harness.measure.worker.muting import counting_calls
from harness.views import Tags
from tests.harness.measure.ways import NOT_MUTED, NOT_RECORDING, WAYS, Way

pytestmark = pytest.mark.system

RNG = random.Random(1)  # noqa: S311 - no secret
FEW = Lines(("one line", "and another"), (Tags("a"), Tags("a")))
RUN = {"do": "run", "lines": 20}


@contextmanager
def worker(way: Way, folder: Path, *, muted: bool) -> Iterator[Side]:
    """Yield a real worker process that has loaded and warmed up the way, and run some lines."""
    (folder / "shop.py").write_text(way.source(), encoding="utf-8")
    subject = Subject("none" if muted else "own", target="shop:handle", folder=str(folder))
    with Side(replace(subject, path=str(folder)), RNG) as side:
        side.load(FEW, cores())
        side.loaded()
        side.ask(RUN)
        yield side


def shown(side: Side, folder: Path) -> tuple[object, object, int]:
    """Return what the module saw of its own metrics before and after, by the library's own means, and the lines."""
    found: tuple[object, object, int] = ast.literal_eval((folder / f"shown.{side.pid}").read_text())
    return found


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_recording_is_muted_whatever_way_it_is_reached(way: Way, tmp_path: Path) -> None:
    """One side records, as often as is counted, and the other does not; both evaluate every line."""

    def measured(*, muted: bool) -> tuple[object, object]:
        with worker(way, tmp_path, muted=muted) as side:
            assert muted or side.calls_per_line == way.calls
            finished = side.ask({"do": "finish"})
            before, after, lines = shown(side, tmp_path)
            assert finished["raised"] == 0
            # One more where a line is tried first.
            assert finished["evaluated"] in {lines, lines - 1}
            return before, after

    with ThreadPoolExecutor(2) as both:
        recorded, silent = both.submit(measured, muted=False), both.submit(measured, muted=True)
    before, after = recorded.result()
    assert before != after, "the way does not record, so it proves nothing"
    before, after = silent.result()
    # What a library has not been given anything it shows as nothing or as nought.
    assert before == after or not any(map(bool, (before, after)))


@pytest.mark.parametrize(("way", "says"), NOT_MUTED, ids=lambda each: getattr(each, "name", ""))
def test_what_records_all_the_same_is_refused_by_name(way: Way, says: str, tmp_path: Path) -> None:
    """One line names the metric that moved on the muted side, and the way out."""
    with worker(way, tmp_path, muted=True) as side, pytest.raises(InstrumentError) as refused:
        side.ask({"do": "finish"})
    text = str(refused.value)
    assert f"muted: {says}" in text
    assert "--bare" in text
    assert "\n" not in text


@pytest.mark.parametrize("way", NOT_RECORDING, ids=lambda way: way.name)
def test_what_moves_without_a_record_is_no_recording(way: Way, tmp_path: Path) -> None:
    """Gauges of the user's functions, what is built late, and what processes say of themselves are left alone."""
    with worker(way, tmp_path, muted=True) as side:
        assert side.ask({"do": "finish"})["raised"] == 0


def test_a_collector_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """What cannot be proved is not claimed: the collector, its reason and the way out."""
    setup = (
        "from prometheus_client import Counter, REGISTRY\nclass Broken:\n    def describe(self):\n        return []\n"
        "    def collect(self):\n        raise OSError('no database')\nREGISTRY.register(Broken())\n"
        "C = Counter('sold', 'Sold.')\ndef shown():\n    return 0\n"
    )
    with (
        worker(Way("broken", setup, "C.inc()"), tmp_path, muted=True) as side,
        pytest.raises(
            InstrumentError, match=r"cannot be told: Broken cannot be read \(OSError: no database\); .*--bare"
        ),
    ):
        side.ask({"do": "finish"})


def test_a_function_that_records_nothing_is_refused(tmp_path: Path) -> None:
    """It would be compared with itself."""
    nothing = Way("nothing", "def shown():\n    return 0\n", "line.upper()")
    with (
        pytest.raises(InstrumentError, match="records nothing through prometheus-client, opencensus"),
        worker(nothing, tmp_path, muted=False),
    ):
        pass


def test_a_function_that_needs_what_it_recorded_says_so(tmp_path: Path) -> None:
    """Where muting changes what the function does, one line gives its error and the way out."""
    way = Way("reads", "from prometheus_client import Counter\nC = Counter('a', 'A.')\ndef shown():\n    return 0\n",
              "C.inc()\n1 / C._value.get()")  # fmt: skip
    with (
        pytest.raises(InstrumentError, match=r"shop:handle.*muted.*ZeroDivisionError.*--bare"),
        worker(way, tmp_path, muted=True),
    ):
        pass


def test_counting_leaves_no_trace() -> None:
    """Afterwards the functions are what they were, to the instruction: the measured side pays for no counting."""
    counter = prometheus_client.metrics.Counter("traced", "Traced.", registry=None)
    function, kept = prometheus_client.metrics.Counter.inc, counter.inc
    code, keywords, finders = function.__code__, function.__kwdefaults__, list(sys.meta_path)
    with counting_calls() as calls:
        kept()
        counter.inc(2)
        assert calls() == 2
    kept()
    assert (calls(), counter._value.get()) == (2, 4.0)
    assert function is prometheus_client.metrics.Counter.inc
    assert (function.__code__ is code, function.__kwdefaults__, sys.meta_path) == (True, keywords, finders)


def test_a_muted_decorator_leaves_the_function_itself() -> None:
    """Neither a wrapper nor a clock stays around the user's code, and a muted timer's duration is nought."""
    script = (
        "from harness.measure.worker.muting import mute\nmute()\n"
        "from prometheus_client import Counter, Gauge, Histogram\n"
        "import prometheus_client.context_managers as contexts\n"
        "H, G, C = Histogram('h', 'H.', ['a']), Gauge('g', 'G.'), Counter('c', 'C.')\n"
        "def work():\n    return 1\n"
        "for decorate in (H.labels('x').time(), H.time(), G.time(), G.track_inprogress(), C.count_exceptions(),\n"
        "                 contexts.Timer(G, 'set')):\n"
        "    assert decorate(work) is work, decorate\n"
        "with contexts.Timer(G, 'set') as timer, H.time() as other:\n    pass\n"
        "assert (timer.duration, other.duration) == (0.0, 0.0)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, cwd=Path(__file__).parents[4])


def test_lean_tags_are_muted_like_the_librarys_own() -> None:
    """Installed while recording is muted, opencensus-lean leaves the muted tag classes in place."""
    program = (
        "from harness.measure.worker.muting import mute\nmute()\nfrom harness.instruments import lean\n"
        "from opencensus.tags.tag_map import TagMap\nfrom opencensus.tags.tag_value import TagValue\n"
        "lean.install('shop', port=None)\ntags = TagMap()\ntags.insert('method', TagValue('GET'))\n"
        "print(type(TagValue('GET')).__name__, len(tags.map))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["str", "0"]
