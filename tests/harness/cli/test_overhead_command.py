"""What `harness overhead` promises: its document's contract, its refusals, and what survives Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest

from harness import cli
from harness.actions.overhead import ALLOWED, QuestionPlan, plan
from harness.cli.commands.overhead import action
from harness.cli.commands.overhead.action import exit_code
from harness.errors import UsageError
from harness.measure.questions.answer import Answer
from harness.measure.result import Experiments
from harness.report.answer import answer_markdown

pytestmark = pytest.mark.system

COMMAND = [sys.executable, "-m", "harness.cli"]
# Between the shortest time and the fewest pairs there is nothing left to spare.
SHORT = ["--budget", "10ms", "--quiet", "--no-save"]
CONTRACT = {
    "axis", "base", "head", "factors", "pairs", "base_per_line", "head_per_line", "cost_per_line", "cost_interval",
    "ratio", "ratio_interval", "minimal_detectable_effect", "null", "verdict",
}  # fmt: skip


def harness(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=360, check=False, cwd=cwd,
        env={**os.environ, **environment},
    )  # fmt: skip


def children(pid: int) -> list[str]:
    """The command lines of a process's children."""
    found = []
    for child in psutil.Process(pid).children():
        with suppress(psutil.Error):
            found.append(" ".join(child.cmdline()))
    return found


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    """One real comparison, as briefly as it can be had: its document, what was printed, and the folder."""
    folder = tmp_path_factory.mktemp("overhead")
    path, markdown = folder / "f.json", folder / "f.md"
    done = harness(
        "overhead", "--instruments", "opencensus,opencensus-lean", "--series", "3", "--budget", "10ms", "--quiet",
        "--json", str(path), "--markdown", str(markdown), "--store", str(folder / "store"), "--label", "proof",
    )  # fmt: skip
    # A control of two pairs may miss 1 where the machine is busy: a verdict, and no failure of the command.
    assert done.returncode in (0, 1), done.stderr
    return json.loads(path.read_text()), done.stdout, folder


def test_the_document_keeps_its_contract(compared: tuple[dict[str, Any], str, Path]) -> None:
    """Every promised key, in every experiment, with base and head as asked; and it fits the published schema."""
    document, _, _ = compared
    jsonschema.validate(document, json.loads(harness("schema", "overhead").stdout))
    assert document["schema_version"] == 1
    assert document["environment"]["cpu_count"] == len(os.sched_getaffinity(0))
    experiments = document["experiments"]
    asked = {("opencensus", 3), ("opencensus-lean", 3)}
    assert {(each["head"], each["factors"]["series"]) for each in experiments} == asked
    for each in experiments:
        assert each.keys() >= CONTRACT
        assert (each["axis"], each["base"]) == ("wall_ns", "none")
        assert each["factors"].keys() >= {"series", "scraped", "threads"}
        assert len(each["cost_interval"]) == len(each["ratio_interval"]) == 2
        assert each["cost_interval"][0] < each["cost_per_line"] < each["cost_interval"][1]
        assert each["null"].keys() >= {"ratio", "ratio_interval"}
        assert len(each["raw_pairs"]) == each["pairs"] + each["void_pairs"] >= 4
        assert len(each["raw_null"]) >= 2


def test_what_is_printed_names_what_was_compared_and_how_to_read_it(
    compared: tuple[dict[str, Any], str, Path],
) -> None:
    """Each row, the verdicts, what a column means, and what to do next."""
    _, printed, _ = compared
    for words in ("opencensus-lean, 3 series", "What each verdict rests on", "How to read it", "Next: "):
        assert words in printed


def test_markdown_and_history_say_the_same(compared: tuple[dict[str, Any], str, Path]) -> None:
    """Costs and evidence have a row for each head, the machine stands below; the kept run has the same experiments."""
    document, _, folder = compared
    text = (folder / "f.md").read_text()
    assert text.count("\n| opencensus") == 2 * 2
    assert text == answer_markdown(Answer.model_validate(document))
    assert document["environment"]["cpu"] in text
    kept = [json.loads(path.read_text()) for path in (folder / "store").rglob("*.json")]
    assert [(each["kind"], each["label"]) for each in kept] == [("overhead", "proof")]
    assert kept[0]["document"]["experiments"] == document["experiments"]


def test_ctrl_c_keeps_the_pairs_and_says_what_they_allow(tmp_path: Path) -> None:
    """Exit code 130, the document saved and marked, and a conclusion for each comparison."""
    path = tmp_path / "f.json"
    command = ["overhead", "--instruments", "opencensus-lean", "--budget", "10m", "--no-save", "--json", str(path)]
    process = subprocess.Popen([*COMMAND, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert eventually(lambda: any("harness.measure.worker" in part for part in children(process.pid)))
    process.send_signal(signal.SIGINT)
    printed, complained = process.communicate(timeout=60)
    assert process.returncode == 130, complained
    assert "Traceback" not in complained
    document = json.loads(path.read_text())
    assert document["interrupted"] is True
    assert "What they allow one to conclude" in printed
    assert "opencensus-lean against none: " in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ladder", "--laws", "series"], "error: --laws: not together with --ladder"),
        (["--ladder", "--threads", "2"], "--threads"),
        (["ladder", "--threads", "2"], "--threads"),
        (["ladders"], "ladders"),
        (["laws"], "FACTOR"),
        (["--laws"], "FACTOR"),
        (["--laws", "colour"], "FACTOR"),
        (["laws", "series:1,x"], "error: FACTOR: 'series:1,x' is not a factor"),
        (["--instruments", "nothing-such"], "--instruments"),
        (["--instruments", "a,,b"], "--instruments"),
        (["--base", "nothing-such"], "--base"),
        (["--series", "0"], "--series"),
        (["--precision", "0"], "--precision"),
        (["--precision", "200%"], "--precision"),
        (["--budget", "soon"], "--budget"),
        (["--axis", "instructions", "--budget", "3s"], "--budget"),
        (["--scrape-interval", "1s", "--budget", "1s"], "--scrape-interval"),
        (["--scraped", "--scrape-interval", "1ms"], "--scrape-interval"),
        (["--diff", "opencensus"], "SECOND"),
        (["pages", "opencensus", "none", "reference"], "reference"),
        (["pages", "opencensus", "nothing-such"], "error: SECOND: there is no instrument 'nothing-such'"),
        (["--target", "nothing.such:function", *SHORT], "--target"),
        (["self-test", "--instrument", "none,opencensus"], "--instrument"),
        (["ladder", "--series", "1,2"], "error: --series: one number here"),
        (["scrapes", "--scrape-interval", "1ms"], "error: --scrape-interval: less than 10ms"),
        (["loop", "--deployments", "nothing-such"], "error: --deployments: there is no deployment 'nothing-such'"),
        (["loop", "--rate", "0"], "--rate"),
        (["loop", "--processes", "0"], "--processes"),
        (["loop", "--series", "none"], "--series"),
        (["--for", "serie=2"], "error: --for: there is no key 'serie', did you mean 'series'?"),
        (["--for", "rate=2x"], "error: --for: rate: '2x' has an unknown unit 'x'"),
        (["--for", "series=2", "--instruments", "nothing-such"], "--instruments"),
        (["--for", "series=2", "--series", "3"], "error: --series: has no meaning with --for"),
        (["--for", "series=2", "--target", "a:b"], "error: --target: has no meaning with --for"),
        (["--for", "series=2", "ladder"], "error: --for: write it after ladder"),
        (["--json", "/nowhere/f.json"], "--json"),
        (["--markdown", "/nowhere/f.md"], "--markdown"),
        (["--bare", "a:b"], "--bare"),
        (["--columns", "memroy"], "'--columns': 'memroy' is not one of 'memory', 'cpu', 'import', 'page'"),
        (["--columns", "memory,"], "'--columns': 'memory,' has an empty place between commas"),
        (["--columns", "cpu", "--target", "a:b"], "error: --columns: has no meaning with --target"),
        (["--axis", "instructions", "--columns", "cpu"], "error: --columns: instructions are counted, not timed"),
        (["ladder", "--columns", "cpu"], "--columns"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_flag(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, nothing measured, no traceback."""
    # In this process: starting one for each mistake would take longer than all of them.
    assert cli._run(["overhead", *arguments, "--quiet", "--no-save"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err


# What each flag of the version before has become, and how both are written.
FORMER = [
    (["--ladder", "--series", "10", "--budget", "1s"], ["ladder", "--series", "10", "--budget", "1s"]),
    (["--budget", "1s", "--scraper", "builtin", "--ladder"], ["ladder", "--budget", "1s", "--scraper", "builtin"]),
    (["--laws", "series:1,10", "--instruments", "none"], ["laws", "series:1,10", "--instruments", "none"]),
    (["--laws=views", "--precision", "1%"], ["laws", "views", "--precision", "1%"]),
    (
        ["--scrape", "--scrapers", "2", "--sweep", "--seed", "3", "--scrape-interval", "1s"],
        ["scrapes", "--scrapers", "2", "--sweep", "--seed", "3", "--scrape-interval", "1s"],
    ),
    (["--saturation", "--series", "1,5", "--bound", "9ms"], ["saturation", "--series", "1,5", "--bound", "9ms"]),
    (["--self-test", "--instruments", "none", "--trials", "3"], ["self-test", "--instrument", "none", "--trials", "3"]),
    (["--diff", "none,opencensus", "--seed", "2"], ["pages", "none", "opencensus", "--seed", "2"]),
    (["--seed", "2", "--diff=none,opencensus"], ["pages", "none", "opencensus", "--seed", "2"]),
    (["--full", "--instruments", "none,opencensus"], ["full", "--instruments", "none,opencensus"]),
]


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[QuestionPlan, dict[str, Any]]]:
    """What commands run in this process would have measured, and where the answer would have gone."""
    asked: list[tuple[QuestionPlan, dict[str, Any]]] = []

    def ask(question: str, flags: dict[str, Any], **where: Any) -> int:
        asked.append((plan(question, flags), where))
        return 0

    monkeypatch.setattr(action, "ask", ask)
    return asked


@pytest.mark.parametrize(("former", "command"), FORMER, ids=[" ".join(former) for former, _ in FORMER])
def test_a_flag_of_the_version_before_is_planned_as_its_command(
    former: list[str], command: list[str], planned: list[tuple[QuestionPlan, dict[str, Any]]],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The same measurement with the same output; only the flag is told at the end what to write in its place."""
    kept = ["--json", "f.json", "--label", "x", "--markdown"]
    assert cli._run(["overhead", *command, *kept]) == 0
    assert capsys.readouterr().err == ""
    assert cli._run(["overhead", *former, *kept]) == 0
    assert capsys.readouterr().err.endswith(f"goes with the next version; write harness overhead {command[0]}\n")
    assert cli._run(["overhead", *former, *kept, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    new, old, quiet = planned
    assert new == old
    assert quiet == (old[0], {**old[1], "quiet": True})
    assert new[0].flags


def test_options_before_a_command_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing that was asked for is ignored silently."""
    assert cli._run(["overhead", "--seed", "3", "ladder"]) == 2
    assert capsys.readouterr().err == "harness: error: --seed: write it after ladder, if that takes it\n"


def test_a_store_in_the_environment_is_no_option_before_a_command(
    planned: list[tuple[QuestionPlan, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """HARNESS_STORE holds for every command."""
    monkeypatch.setenv("HARNESS_STORE", "elsewhere")
    assert cli._run(["overhead", "ladder"]) == 0
    assert planned[0][1]["store"] == Path("elsewhere")


def test_without_valgrind_it_says_how_to_get_it(tmp_path: Path) -> None:
    """One line, exit code 1."""
    done = harness("overhead", "--axis", "instructions", "--no-save", PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        (
            "harness: error: --axis: counting instructions needs valgrind, which is not on PATH; install it "
            "(Debian: apt install valgrind)"
        )
    ]


def test_columns_are_asked_for_beside_the_table_or_a_comparison(
    planned: list[tuple[QuestionPlan, dict[str, Any]]],
) -> None:
    """They choose no question of their own; each is taken once, in the order given."""
    for arguments in ([], ["--instruments", "none"]):
        assert cli._run(["overhead", "--columns", "page,cpu,page", *arguments]) == 0
    assert [(asked.mode, asked.flags["columns"]) for asked, _ in planned] == [
        ("table", ("page", "cpu")), ("comparison", ("page", "cpu")),
    ]  # fmt: skip


@pytest.mark.slow
def test_a_function_of_ones_own_is_compared_with_and_without_its_metrics(tmp_path: Path) -> None:
    """From the working directory, as `python -m` would find it."""
    (tmp_path / "mine.py").write_text(
        "from prometheus_client import CollectorRegistry, Counter\n"
        "SEEN = Counter('seen', 'lines', registry=CollectorRegistry())\n"
        "def handle(line):\n    SEEN.inc()\n    return line.upper()\n"
    )
    path = tmp_path / "f.json"
    done = harness("overhead", "--target", "mine:handle", *SHORT, "--json", str(path), cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    [experiment] = json.loads(path.read_text())["experiments"]
    assert (experiment["base"], experiment["head"]) == ("mine:handle (muted)", "mine:handle (as it is)")
    assert experiment["cost_per_line"] > 0


def test_two_pages_side_by_side() -> None:
    """Where a library differs is told, aspect by aspect; what is alike only counted."""
    done = harness("overhead", "pages", "opencensus", "opencensus-lean")
    assert done.returncode == 0
    assert "a value at its bound counts in that bucket" in done.stdout
    assert "aspects are the same" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ladder", "--budget", "1s", "--scraper", "builtin"], "bare REPL"),
        (["laws", "series:1,3,10", "--instruments", "opencensus-lean", "--budget", "1s"], "by series"),
        (["saturation", "--instruments", "none", "--bound", "20ms"], "sustained"),
        (["scrapes", "--instruments", "opencensus-lean", "--scraper", "builtin"], "p99.9"),
        (["self-test", "--budget", "1s"], "absolute"),
        (["--scraped", "--instruments", "opencensus-lean", "--budget", "1s", "--scraper", "builtin"], "scraped"),
        (["--axis", "instructions", "--instruments", "opencensus-lean"], "instructions"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_each_mode_measures_and_fits_the_schema(arguments: list[str], words: str, tmp_path: Path) -> None:
    """A small real experiment for each question; each document fits the one schema and renders as Markdown too."""
    path = tmp_path / "f.json"
    done = harness("overhead", *arguments, "--quiet", "--no-save", "--json", str(path))
    assert done.returncode in (0, 1), done.stderr
    assert words in done.stdout
    document = json.loads(path.read_text())
    jsonschema.validate(document, Answer.model_json_schema(mode="serialization"))
    assert len(answer_markdown(Answer.model_validate(document)).splitlines()) > 4


@pytest.mark.parametrize(
    ("flags", "mode"),
    [
        ({}, "table"),
        ({"seed": 3, "bound": "1ms"}, "table"),
        ({"instruments": ("none",)}, "comparison"),
        ({"budget": "1s"}, "comparison"),
        ({"series": (100,), "threads": 2}, "comparison"),
        ({"target": "a:b", "bare": "a:c", "budget": "1s"}, "target"),
    ],
)
def test_the_flags_choose_the_mode(flags: dict[str, Any], mode: str) -> None:
    """Without flags the table; with those that shape a comparison, a comparison; with a function, that."""
    assert plan("table", flags) == QuestionPlan(mode, flags)


def test_a_flag_without_meaning_is_refused_in_every_mode() -> None:
    """Nothing that was asked for is ignored silently."""
    asking = {"table": {}, "comparison": {"instruments": ("none",)}, "target": {"target": "a:b"}}
    every = {name for allowed in ALLOWED.values() for name in allowed}
    for mode, flags in asking.items():
        # Some flags without meaning for the table ask for a comparison, a function or a service by themselves.
        for other in (
            every - ALLOWED[mode] - (ALLOWED["comparison"] if mode == "table" else set()) - {"target", "service"}
        ):
            with pytest.raises(UsageError, match="has no meaning") as refused:
                plan("table", {**flags, other: 2})
            assert refused.value.field == other


def outcome_with(verdict: str, compared: dict[str, Any], **changed: Any) -> Answer:
    document = {**compared, **changed}
    document["experiments"] = [{**each, "verdict": verdict} for each in document["experiments"]]
    return Answer.model_validate(document)


def test_the_exit_code_says_whether_to_believe_it(compared: tuple[dict[str, Any], str, Path]) -> None:
    """0 for any verdict that stands, 1 for a void one, 130 after Ctrl-C whatever else."""
    document, _, _ = compared
    assert [exit_code(outcome_with(verdict, document)) for verdict in ("slower", "undecided", "void")] == [0, 0, 1]
    assert exit_code(outcome_with("void", document, interrupted=True)) == 130


def test_a_part_of_an_outcome_is_a_document_of_its_own(compared: tuple[dict[str, Any], str, Path]) -> None:
    """What was measured for one question can be read as a comparison alone; what was not measured is None."""
    document, _, _ = compared
    whole = Answer.model_validate(document)
    part = whole.part("comparison")
    assert isinstance(part, Experiments)
    assert part.experiments == whole.experiments
    assert whole.part("ladder") is None
