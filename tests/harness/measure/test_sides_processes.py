"""What the processes of sides import, where they run, and what happens when one of them hangs."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from harness.children import PROJECT
from harness.errors import RunError
from harness.host.libraries import belongs_to, loaded_libraries, portable, version_here
from harness.measure.compare.compare import compare
from harness.measure.compare.sides import SideCode
from harness.measure.compare.venvs import Cache
from harness.measure.counts.allocations import count_allocated
from harness.measure.counts.instructions import Counted, count_instructions, run_instructions
from harness.measure.deadlines import answer_within_s, trial_within_s
from harness.measure.pairs.launcher import Launcher
from harness.measure.pairs.measure import comparisons_for, measure_overhead, target_comparison
from harness.measure.pairs.pair import BlockPlan
from harness.measure.pairs.schedule import Terms
from harness.measure.pairs.side import Cores, Lines, Side, apart, cores
from harness.measure.provenance import Provenance, contradiction
from harness.measure.questions import table
from harness.measure.questions.trial import run_trial
from harness.measure.result import Loaded
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison
from harness.probe.catalog import PROBES
from harness.probe.runner import run_probe
from harness.run.spec import RunSpec
from harness.views import Tags

pytestmark = pytest.mark.system

FEW = Lines(("one line", "and another"), (Tags("a"), Tags("b")))
TINY = BlockPlan(rounds=3, block_ns=200_000)
SHORT = Terms(budget_s=0.01, fewest=2, plan=TINY)
RNG = random.Random(1)  # noqa: S311 - no secret
needs_valgrind = pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is missing")


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Where we stand: a folder with a library's sources and with files called like modules of Python's own."""
    for name in ("prometheus_client", "opencensus", "opentelemetry", "harness", "workloads"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the checkout was imported')\n")
    for name in ("queue", "random", "json", "ctypes", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} of the working directory was imported')\n")
    (tmp_path / "shop.py").write_text(
        "from prometheus_client import CollectorRegistry, Counter\n"
        "import queue\n"
        "SOLD = Counter('sold', 'Sold.', registry=CollectorRegistry())\n"
        "def sell(line):\n"
        "    SOLD.inc()\n"
        "    return line.upper()\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestTheWorkingDirectory:
    """What lies where the user stands is not what is measured."""

    @pytest.mark.usefixtures("checkout")
    @pytest.mark.parametrize("instrument", ["prometheus-client", "opencensus"])
    def test_overhead_measures_what_is_installed(self, instrument):
        """The processes find Python's own modules and the installed libraries; the document says which."""
        document = measure_overhead(comparisons_for([instrument]), SHORT, lines=lambda _series: FEW)
        loaded = {each.library: each for each in document.loaded[instrument]}
        assert loaded["prometheus-client"].version == document.environment.libraries["prometheus-client"]
        assert "site-packages" in loaded["prometheus-client"].file
        assert not loaded["prometheus-client"].file.startswith("/")

    @pytest.mark.slow
    @pytest.mark.usefixtures("checkout")
    def test_compare_measures_what_each_interpreter_has(self, tmp_path):
        """Sides that are interpreters do not import the checkout around us."""
        found = compare(
            sys.executable, sys.executable, SideCode("prometheus-client"), SHORT, Cache(tmp_path / "cache"),
        )  # fmt: skip
        assert found.base.libraries["prometheus-client"] == version_here("prometheus-client")
        assert found.documents[0].experiments[0].void_pairs == 0

    @pytest.mark.slow
    @pytest.mark.usefixtures("checkout")
    def test_a_target_there_is_found_after_everything_else(self):
        """The user's own module is imported from where the user stands; what it imports is what is installed."""
        document = measure_overhead([target_comparison("shop:sell")], SHORT, lines=lambda _series: FEW)
        (loaded,) = [each for each in document.loaded["shop:sell (as it is)"] if each.library == "shop"]
        assert loaded == Loaded(library="shop", version="", file="shop.py")

    @pytest.mark.usefixtures("checkout")
    @needs_valgrind
    @pytest.mark.slow
    def test_counted_axes_count_what_is_installed(self):
        """Callgrind's and memcheck's processes import nothing from there but the user's own module."""
        found = count_instructions(Subject(instrument="prometheus-client"), lines=lambda _series: FEW, count=2)
        assert found.void == ""
        assert count_allocated(Subject(instrument="prometheus-client"), lines=lambda _series: FEW, count=2).void == ""
        own = target_comparison("shop:sell").head
        assert count_instructions(own, lines=lambda _series: FEW, count=2).per_line > 0

    @pytest.mark.slow
    @pytest.mark.usefixtures("checkout")
    def test_runs_and_probes_do_too(self):
        """A load run of its own process, its built-in scraper, and a probe."""
        spec = RunSpec(instrument="prometheus-client", duration="200ms", scraper="builtin", scrape_interval="100ms")
        assert run_trial(spec).audit.conserved
        assert "the experiment ended" not in run_probe(PROBES[0], "opencensus").evidence


class TestProvenance:
    """What was loaded, and what was said to be installed."""

    def test_what_a_worker_loaded_is_told_with_its_version(self):
        """The library, its file and the version that owns the file come from the measured process."""
        with Side(Subject(instrument="prometheus-client"), RNG) as side:
            side.load(FEW, cores())
            loaded = dict(side.loaded()["loaded"])
        assert loaded["recording-harness"] == os.path.join(PROJECT, "harness", "__init__.py")  # noqa: PTH118
        assert loaded["prometheus-client"].endswith(os.path.join("prometheus_client", "__init__.py"))  # noqa: PTH118

    def test_a_copy_on_the_search_path_is_told_as_what_it_is(self, tmp_path, monkeypatch):
        """A user who puts a checkout on PYTHONPATH measures the checkout, and is told so."""
        place = os.path.dirname(dict(loaded_libraries())["prometheus-client"])  # noqa: PTH120
        shutil.copytree(place, tmp_path / "prometheus_client")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        document = measure_overhead(comparisons_for(["prometheus-client"]), SHORT, lines=lambda _series: FEW)
        file = tmp_path / "prometheus_client" / "__init__.py"
        assert document.environment.libraries["prometheus-client"] == f"from {file}"
        with pytest.raises(
            RunError, match=r"^BASE: prometheus-client \S+ is installed, but another copy is loaded, from"
        ):
            compare(sys.executable, sys.executable, SideCode("prometheus-client"), SHORT, Cache(tmp_path / "cache"))

    @pytest.mark.parametrize(
        ("base", "head", "files", "says"),
        [
            ("0.20", "0.21", (("0.20", "/a/p.py"), ("0.21", "/b/p.py")), ""),
            ("0.20", "0.20", (("0.20", "/a/p.py"), ("0.20", "/a/p.py")), ""),
            ("0.20", "0.21", (("", "/here/p.py"), ("", "/here/p.py")), "BASE: prometheus-client 0.20 is inst"),
            ("0.20", "0.21", (("0.20", "/a/p.py"), ("0.20", "/a/p.py")), "HEAD: prometheus-client 0.21 is inst"),
            ("", "0.21", (("", "/here/p.py"), ("0.21", "/b/p.py")), ""),
            ("", "0.21", (("0.21", "/b/p.py"), ("0.21", "/b/p.py")), ""),
        ],
    )  # fmt: skip
    def test_sides_that_load_something_else_are_refused(self, base, head, files, says):
        """Each side loads what is installed for it; a side that names no version may load any."""
        loaded = [[Loaded(library="prometheus-client", version=version, file=file)] for version, file in files]
        installed = [{"prometheus-client": version} if version else {} for version in (base, head)]
        found = contradiction(installed, loaded)
        assert found.startswith(says)
        assert bool(found) == bool(says)

    def test_an_editable_installation_owns_its_tree(self, tmp_path):
        """The version counts for files in the tree that an editable installation leads to, and nowhere else."""
        info = tmp_path / "site" / "a_b-1.5.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-b\nVersion: 1.5\n")
        url = {"url": f"file://{tmp_path}/the%20tree", "dir_info": {"editable": True}}
        (info / "direct_url.json").write_text(json.dumps(url))
        search = [str(tmp_path / "site")]
        assert belongs_to("a-b", str(tmp_path / "the tree" / "a_b.py"), search) == "1.5"
        assert belongs_to("a_b", str(tmp_path / "site" / "a_b.py"), search) == "1.5"
        assert belongs_to("a-b", str(tmp_path / "elsewhere" / "a_b.py"), search) == ""
        (info / "direct_url.json").write_text(json.dumps({**url, "dir_info": {}}))
        assert belongs_to("a-b", str(tmp_path / "the tree" / "a_b.py"), search) == ""

    def test_a_library_that_changes_meanwhile_ends_the_measuring(self):
        """Two processes of one side that load different files are not one subject."""
        kept = Provenance()
        for _ in range(2):
            kept.add(Subject(), {"loaded": [["prometheus-client", "/a/p.py"]], "search": []})
        kept.add(Subject(instrument="opencensus"), {"loaded": [["prometheus-client", "/b/p.py"]], "search": []})
        kept.add(Subject(), {"loaded": [["opencensus", "/a/o.py"]], "search": []})
        with pytest.raises(RunError, match="none: prometheus-client was changed while it was measured"):
            kept.add(Subject(), {"loaded": [["prometheus-client", "/b/p.py"]], "search": []})

    def test_files_are_named_without_this_machines_folders(self, tmp_path, monkeypatch):
        """A file in the environment, in the working directory or at home is named from there on."""
        monkeypatch.setenv("HOME", "/home/u")
        monkeypatch.chdir(tmp_path)
        assert portable(f"{sys.prefix}/lib/p.py") == "lib/p.py"
        assert portable("/env/lib/p.py", "/env/bin/python") == "lib/p.py"
        assert portable(f"{tmp_path}/shop.py") == "shop.py"
        assert portable("/home/u/lib/p.py") == "~/lib/p.py"
        assert portable("/opt/p.py") == "/opt/p.py"

    def test_a_counted_document_says_what_was_loaded(self):
        """On the counting axes too."""
        counted = Counted(1, ((0, 10),), answer={"loaded": [["prometheus-client", "/x/p.py"]], "search": []})
        pair = Comparison(Subject(), Subject(instrument="opencensus"))
        document = run_instructions([pair], count=lambda _subject, **_: counted)
        assert document.loaded["none"] == [Loaded(library="prometheus-client", version="", file="/x/p.py")]
        assert document.environment.libraries["prometheus-client"] == "from /x/p.py"


DEADLOCK = (
    "import os, signal, subprocess, sys, threading\n"
    "from prometheus_client import CollectorRegistry, Counter\n"
    "SOLD = Counter('sold', 'Sold.', registry=CollectorRegistry())\n"
    "LOCK = threading.Lock()\n"
    "CODE = 'import signal as s, time; s.signal(s.SIGTERM, s.SIG_IGN); print(1, flush=True); time.sleep(600)'\n"
    "CHILD = subprocess.Popen([sys.executable, '-c', CODE], stdout=subprocess.PIPE)\n"
    "CHILD.stdout.readline()\n"
    "open('child', 'w').write(str(CHILD.pid))\n"
    "def sell(line):\n"
    "    SOLD.inc()\n"
    "    if os.path.exists('hang'):\n"
    "        LOCK.acquire()\n"
    "        LOCK.acquire()\n"
)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A target that starts a child which ignores SIGTERM, and deadlocks once there is a file ``hang``."""
    (tmp_path / "shop.py").write_text(DEADLOCK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestDeadlines:
    """A side that does not answer ends the measuring, in one line, and nothing of it is left."""

    TARGET = Subject(target="shop:sell", instrument="own")

    @pytest.mark.parametrize(
        ("command", "expected", "says"),
        [
            ({"do": "pin"}, 60, "a grace for everything"),
            ({"do": "run", "lines": 1000}, 60.02, "ten times the block as it was measured while warming up"),
            ({"do": "pace", "planned_s": 3.0}, 90, "ten times the length of the schedule"),
            ({"do": "load"}, 61, "each series has to be made"),
            ({"do": "finish"}, 61, "and shown"),
        ],
    )
    def test_deadlines_follow_from_the_plan(self, command, expected, says):
        """Each answer may take a minute beyond ten times what is planned for it."""
        assert answer_within_s(command, ns_per_line=2000, series=10) == pytest.approx(expected), says
        assert trial_within_s(2.0) == 124

    def test_a_deadlocked_target_ends_with_one_line(self, shop):
        """It hangs at its first line: the target and the deadline are named, and its child is gone with it."""
        (shop / "hang").touch()
        with (
            Launcher(TINY, lines=lambda _series: FEW, grace_s=5) as launch,
            pytest.raises(
                RunError, match=r"^shop:sell \(as it is\) gave no answer within 5\S* s while loading"
            ) as caught,
        ):
            launch(Subject(), self.TARGET)
        assert "\n" not in str(caught.value)
        child = shop / "child"
        assert not child.exists() or gone(int(child.read_text()))

    def test_a_target_that_deadlocks_later_does_too(self, shop):
        """It hangs in the middle of the measuring."""
        with Side(self.TARGET, RNG, grace_s=600) as side:
            side.load(FEW, cores())
            side.loaded()
            (shop / "hang").touch()
            side._grace_s = 0.5
            with pytest.raises(
                RunError, match=r"gave no answer within 0\.5\d* s while evaluating a block of lines: it hangs"
            ):
                side.ask({"do": "run", "lines": 1})
            assert gone(side.pid)
            assert gone(int((shop / "child").read_text()))

    def test_one_that_does_not_even_read_its_command_does_too(self):
        """More than a pipe holds is not taken: sending has the deadline as well."""
        with Side(Subject(), RNG, grace_s=0.5) as side:
            os.kill(side.pid, signal.SIGSTOP)
            lines = Lines(("x" * 4_000_000,), (Tags(),))
            with pytest.raises(RunError, match="none gave no answer within"):
                side.load(lines, cores())
            assert gone(side.pid)

    def test_leaving_a_side_ends_what_its_target_started(self, shop):
        """At the end of a pair that went well the target's child, which ignores SIGTERM, is gone as well."""
        with Side(self.TARGET, RNG) as side:
            side.load(FEW, cores())
            side.loaded()
        assert gone(int((shop / "child").read_text()))

    @pytest.mark.slow
    def test_the_command_ends_after_the_grace(self, shop):
        """``harness overhead`` with a deadlocked target: one line, exit code 1, after some time beyond its budget."""
        (shop / "hang").touch()
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "harness.cli", "overhead", "--target", "shop:sell", "--budget", "1s", "--no-save"],
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert time.monotonic() - began >= 60
        [line] = [line for line in done.stderr.splitlines() if "error" in line]
        # Either side may be the first to be missed.
        assert "shop:sell (" in line
        assert "gave no answer within 60.1 s" in line


class TestWhereSidesRun:
    """Processes, processors and imports."""

    def test_a_side_starts_and_warms_up_where_it_is_told(self):
        """Each side of a pair can have a core of its own until lines are timed."""
        which = cores()
        for start in {which.measured, which.home}:
            with Side(Subject(), RNG, start=start) as side:
                assert os.sched_getaffinity(side.pid) == {start}
                side.load(FEW, which)
                side.loaded()
                assert os.sched_getaffinity(side.pid) == {start}
                side.ask({"do": "pin"})
                assert os.sched_getaffinity(side.pid) == {which.measured}

    def test_a_side_that_is_scraped_waits_at_home(self):
        """It may warm up on the measured core, but waits for its turns on the other."""
        which = cores()
        with Side(Subject(scraped=True), RNG, start=which.measured) as side:
            side.load(FEW, which, port=0, roam=True)
            side.loaded()
            assert os.sched_getaffinity(side.pid) == {which.home}

    def test_this_process_keeps_off_the_measured_cores_siblings(self, monkeypatch):
        """While sides are measured everything else runs on the processors chosen for it."""
        asked = []
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3})
        monkeypatch.setattr(os, "sched_setaffinity", lambda _pid, where: asked.append(set(where)))
        with apart(Cores(measured=3, home=0, others=frozenset({0, 2}))):
            pass
        assert asked == [{0, 2}, {0, 1, 2, 3}]

    @pytest.mark.parametrize(
        ("shared", "expected"), [(False, ["pairs", "counting", "rates"]), (True, ["pairs", "rates", "counting"])]
    )
    def test_nothing_of_ours_runs_beside_timed_pairs(self, monkeypatch, shared, expected):
        """Instructions are counted and pages audited after the pairs, and on hyperthreads after the rates as well."""
        order = []
        document = measure_overhead(comparisons_for(["none"]), SHORT, lines=lambda _series: FEW)
        monkeypatch.setattr(table, "_pairs", lambda *_: order.append("pairs") or document)
        monkeypatch.setattr(table, "_rates", lambda *_: order.append("rates") or ({}, True))
        monkeypatch.setattr(table._Background, "_count_one", lambda _self, _name: order.append("counting"))
        monkeypatch.setattr(table._Background, "_audit", lambda _self, _name: None)
        start = table._Background.start
        monkeypatch.setattr(table._Background, "start", lambda self: (start(self), *(t.join() for t in self._threads)))
        monkeypatch.setattr(table, "cores", lambda: Cores(1, 0, frozenset({0}), shared))
        table.measure_table(table.TablePlan(instruments=("none",)))
        assert list(dict.fromkeys(order)) == expected
