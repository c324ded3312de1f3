import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.cli import _run
from harness.history.queries import keep
from harness.history.store import Store
from harness.load.latency.histogram import Histogram
from harness.measure.questions.answer import outcome_of
from harness.measure.questions.saturation import Saturation
from harness.measure.questions.scraping.effect import Histograms, ScrapeEffect, Shift
from harness.measure.questions.table import Audited
from harness.measure.steps import RUNGS
from harness.report.sections.audits import findings_of
from tests.harness.report.checks import problems
from tests.harness.report.run_samples import encoded, run_result
from tests.harness.report.samples import document, experiment

PAGE = "harness-report.html"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of a folder of one's own, in which the command then runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "runs"))
    return Store(tmp_path / "runs")


def costs(value: float, name: str = "opencensus") -> dict[str, Any]:
    return outcome_of("comparison", {"comparison": document([experiment(name, value)])}).document()


def ladder() -> dict[str, Any]:
    rungs = [experiment(high.name, 10.0, base=low.name) for low, high in itertools.pairwise(RUNGS)]
    return outcome_of("ladder", {"ladder": document(rungs)}).document()


def scrape_effect() -> ScrapeEffect:
    shift = Shift(percentile=99.0, unscraped=9e4, scraped=3e5, difference=2.1e5, interval=(1.9e5, 2.3e5))
    drawn = Histograms(unscraped=encoded(9e4), scraped=encoded(1e5), served=encoded(3e5))
    return ScrapeEffect(
        instrument="opencensus", factors={"series": 1}, scraper="builtin", processes=5, scrapes=50, lines=9000,
        served_share=0.1, by_window=[shift], by_moment=[shift], histograms=drawn,
    )  # fmt: skip


def page() -> str:
    text = Path(PAGE).read_text(encoding="utf-8")
    assert problems(text) == []
    return text


def test_without_arguments_the_page_has_the_newest_word_on_each_question(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """An older ladder is not hidden by newer costs, of two costs alike the newer counts, and figures have a trend."""
    keep(store, "overhead", ladder(), "steps")
    for value in (111_000.0, 222_000.0):
        keep(store, "overhead", costs(value))
    keep(store, "run", run_result().document())
    assert _run(["report"]) == 0
    text = page()
    for ident in ("overhead", "ladder", "latency", "trend", "findings", "runs", "raw", "environment"):
        assert f'id="{ident}"' in text
    told = text[text.index('id="overhead"') : text.index('id="ladder"')]
    assert "222" in told
    assert "111" not in told
    assert "steps" in text
    assert PAGE in capsys.readouterr().err


def test_every_kind_of_overhead_document_reaches_its_section(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Saturation and scrape effects, which have no pairs, are shown as well, with the histograms they carry."""
    rate = Saturation(
        instrument="opencensus", series=1, bound_ns=5_000_000, closed_loop=1e4, rate=8e3, above=9e3, trials=[]
    )
    keep(store, "overhead", outcome_of("saturation", saturation=[rate]).document())
    keep(store, "overhead", outcome_of("scrape", scrapes=[scrape_effect()]).document())
    assert _run(["report", "--output", "other.html"]) == 0
    text = Path("other.html").read_text(encoding="utf-8")
    assert problems(text) == []
    assert 'id="saturation"' in text
    assert "while a scrape was served" in text
    assert not Path(PAGE).exists()
    assert _run(["report", "--terminal"]) == 0
    out = capsys.readouterr().out
    assert "8k single try" in out
    assert "scrape was served" in out


def test_documents_named_are_the_whole_report(store: Store) -> None:
    """Given files and ids, those are shown and nothing else of the history."""
    kept = keep(store, "overhead", costs(5_000.0, "kept"))
    keep(store, "overhead", costs(6_000.0, "unwanted"))
    Path("file.json").write_text(json.dumps(costs(7_000.0, "filed")))
    assert _run(["report", kept.id[-8:], "file.json"]) == 0
    text = page()
    assert "kept" in text
    assert "filed" in text
    assert "unwanted" not in text


def test_newest_is_the_newest_run(store: Store) -> None:
    """`newest` stands for the run kept last."""
    keep(store, "overhead", costs(5_000.0, "earlier"))
    keep(store, "overhead", costs(6_000.0, "later"))
    assert _run(["report", "newest"]) == 0
    assert "later" in page()
    assert "earlier against" not in page()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not whole JSON"),
        ("[]", "not a result"),
        ('{"kind": "cake"}', "not a result"),
        ('{"kind": "overhead", "schema_version": 9}', "schema version 9"),
        ('{"kind": "run", "schema_version": 1}', "not a whole run document"),
        ('{"sha256": "0", "schema_version": 1}', "lacks"),
    ],
)
def test_a_document_that_cannot_be_shown_costs_one_line(
    store: Store, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    """It is named with its reason, on the terminal and on the page; the others are shown; the exit code tells."""
    Path("bad.json").write_text(content)
    Path("good.json").write_text(json.dumps(costs(5_000.0, "sound")))
    assert _run(["report", "bad.json", "good.json"]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "bad.json" in line]
    assert said in line
    assert "sound" in page()
    assert "bad.json" in page()


def test_a_damaged_document_of_the_history_does_not_stop_the_report(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """One warning names the file; everything else is in the page, and the exit code is 0."""
    keep(store, "overhead", costs(5_000.0))
    damaged = keep(store, "overhead", costs(6_000.0))
    store.path(damaged.id).write_text("half a docu")
    assert _run(["report"]) == 0
    assert capsys.readouterr().err.count(damaged.id) == 1
    assert damaged.id in page()


def test_nothing_to_report_says_what_to_run(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty history is one line that names the commands, exit code 2, and no file."""
    assert _run(["report"]) == 2
    said = capsys.readouterr().err
    assert "harness overhead" in said
    assert said.count("\n") == 1
    assert not Path(PAGE).exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--terminal", "--output", "x.html"], "--terminal"),
        (["--output", "no/such/x.html"], "--output"),
        (["nobody"], "nobody"),
        (["missing.json"], "missing.json"),
    ],
)
def test_wrong_usage_is_one_line(
    store: Store, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    """Flags that do not go together and names that stand for nothing are named, with exit code 2."""
    keep(store, "overhead", costs(5_000.0))
    assert _run(["report", *arguments]) == 2
    assert named in capsys.readouterr().err


def test_a_failed_write_leaves_the_page_that_was_there(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that fills up while the page is written costs one line, and neither the old page nor a stray file."""
    keep(store, "overhead", costs(5_000.0))
    Path(PAGE).write_text("the old page")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert _run(["report"]) == 1
    assert "No space left" in capsys.readouterr().err
    assert Path(PAGE).read_text() == "the old page"
    assert [each.name for each in Path().iterdir() if "part" in each.name] == []


def test_the_terminal_shows_the_essentials(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """With --terminal sparklines and figures are printed and no file is written."""
    for value in (5_000.0, 6_000.0):
        keep(store, "overhead", costs(value))
    assert _run(["report", "--terminal"]) == 0
    out = capsys.readouterr().out
    assert "opencensus" in out
    assert "▁" in out
    assert not Path(PAGE).exists()


def test_costs_of_two_machines_do_not_share_a_table(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Only those of the newest machine are in the table; that others were left out is said."""
    other = costs(5_000.0, "elsewhere")
    other["environment"] = {**other["environment"], "cpu": "another processor"}
    Path("a.json").write_text(json.dumps(other))
    Path("b.json").write_text(json.dumps(costs(6_000.0, "here")))
    assert _run(["report", "a.json", "b.json"]) == 0
    assert "another machine" in capsys.readouterr().err
    assert "elsewhere against" not in page()


def test_an_audit_in_the_table_has_the_severity_of_its_name() -> None:
    """Findings kept by name alone get severity, cause and remedy of that name; unknown ones are warnings."""
    found = findings_of(Audited(conserved=False, findings=["count_mismatch", "sum_decreased", "of_a_later_day"]))
    assert [finding.severity for finding in found] == ["error", "warning", "warning"]
    assert found[0].cause


def test_histograms_survive_the_document() -> None:
    """What a scrape effect carries is read back from JSON line for line."""
    whole = outcome_of("scrape", scrapes=[scrape_effect()]).document()
    again = ScrapeEffect.model_validate(whole["scrapes"][0])
    assert Histogram.decode(again.histograms.served).count == Histogram.decode(scrape_effect().histograms.served).count


@pytest.mark.slow
def test_the_command_starts_from_the_shell(store: Store) -> None:
    """As a process of its own it writes the page and says where."""
    keep(store, "overhead", costs(5_000.0))
    done = subprocess.run([sys.executable, "-m", "harness.cli", "report"], capture_output=True, text=True, check=True)
    assert PAGE in done.stderr
    assert "overhead" in page()
