"""What "while scraped" promises: turns that hold several scrapes, counted, by the scraper that the document names."""

import io
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.measure.pairs.launcher import Launcher
from harness.measure.pairs.measure import comparisons_for, measure_overhead
from harness.measure.pairs.pair import BlockPlan
from harness.measure.pairs.schedule import Comparison, Terms, run_experiments
from harness.measure.pairs.side import Lines
from harness.measure.pairs.slots import SlotScraper
from harness.measure.questions.answer import Answer, outcome_of
from harness.measure.questions.table import FEWEST_SCRAPES, TablePlan
from harness.measure.result import Experiments, RawPair
from harness.measure.subject import Subject
from harness.report.answer import answer_markdown, answer_view
from harness.views import Tags

pytestmark = pytest.mark.system

MS = 1_000_000
FEW = Lines(("one line", "and another"), (Tags("a"), Tags("b")))


@pytest.mark.parametrize(
    ("plan", "interval_ms", "expected", "says"),
    [
        (BlockPlan(10, 6 * MS), 100, BlockPlan(1, 500 * MS), "a turn of five intervals"),
        (BlockPlan(20, 10 * MS), 10, BlockPlan(4, 50 * MS), "as long on turn as without scrapes"),
        (BlockPlan(20, 10 * MS), 1000, BlockPlan(1, 2000 * MS), "two seconds at most: scrapes are few then"),
        (BlockPlan(2, 3000 * MS), 1000, BlockPlan(2, 3000 * MS), "a longer turn stays as it is"),
    ],
)
def test_a_turn_holds_several_scrapes(plan, interval_ms, expected, says):
    """Blocks of some milliseconds would hold one scrape in thirty."""
    assert plan.while_scraped(interval_ms) == expected, says


@given(st.integers(1, 50), st.integers(1, 100 * MS), st.integers(10, 60_000))
def test_the_plan_while_scraped_is_no_shorter(rounds, block_ns, interval_ms):
    """At least as long on turn, and five intervals a turn where those are below 0.4 s."""
    plan = BlockPlan(rounds, block_ns)
    found = plan.while_scraped(interval_ms)
    assert found.rounds * found.block_ns >= rounds * block_ns
    if interval_ms <= 400:
        assert found.block_ns >= 5 * interval_ms * MS


def test_the_table_is_planned_for_thirty_scrapes_of_each_way_of_recording():
    """Six pairs while scraped hold them, and there is time for six: see below for how long a pair takes."""
    plan = TablePlan()
    turns = BlockPlan(plan.rounds, plan.block_ns).while_scraped(plan.scrape_interval_ms)
    a_pair = turns.rounds * turns.block_ns / (plan.scrape_interval_ms * MS)
    assert 6 * a_pair >= FEWEST_SCRAPES
    scraped = comparisons_for(plan.instruments, common=Subject(scraped=True))
    bench = Bench(scrapes=int(a_pair), rest_s=0.5, scraped_s=1.1)
    found = run_experiments(
        [*comparisons_for(plan.instruments), *scraped], Terms(budget_s=plan.pairs_s), bench, now=bench.now
    )
    assert min(each.scrapes for each in found.experiments if each.scrapes is not None) >= FEWEST_SCRAPES


class Bench:
    """Measures nothing: pairs take so many seconds, and those while scraped hold so many scrapes."""

    def __init__(self, scrapes: int = 4, rest_s: float = 1.0, scraped_s: float = 1.0) -> None:
        self.time, self.scrapes = 0.0, scrapes
        self.rest_s, self.scraped_s = rest_s, scraped_s
        self.calls = 0

    def now(self) -> float:
        return self.time

    def __call__(self, base: Subject, head: Subject, /) -> RawPair:
        self.calls += 1
        self.time += self.scraped_s if head.scraped else self.rest_s
        ratio = 1.0 if base == head else 2.0 + 0.01 * (self.calls % 3)
        return RawPair(
            base_blocks=[1000], head_blocks=[1000], base_lines=1, head_lines=1, order="b", hash_seeds=(1, 1),
            base_per_line=1000.0, head_per_line=1000.0 * ratio, log_ratio=math.log(ratio),
            difference=1000.0 * (ratio - 1), head_scrapes=self.scrapes if head.scraped else 0,
        )  # fmt: skip

    def run(self, **terms: object) -> Experiments:
        comparisons = comparisons_for(["a", "b"]) + comparisons_for(["a", "b"], common=Subject(scraped=True))
        document = run_experiments(comparisons, Terms(**terms), self, now=self.now)
        return document.model_copy(update={"scraper": "Prometheus 2.42.0 (auto: found on PATH)"})


def rendered(document: Experiments) -> tuple[str, str]:
    """Return what a terminal shows of the document as the default table, and the Markdown."""
    outcome = outcome_of("table", {"table": document})
    assert Answer.model_validate(outcome.document()) == outcome
    console = Console(file=io.StringIO(), width=120)
    console.print(answer_view(outcome))
    return " ".join(console.file.getvalue().split()), answer_markdown(outcome)


def test_the_table_prints_how_many_scrapes_by_whom_and_how_often():
    """The figure while scraped says what it rests on."""
    document = Bench().run(budget_s=120)
    counts = {each.head: each.scrapes for each in document.experiments if each.scrapes is not None}
    assert min(counts.values()) >= FEWEST_SCRAPES
    terminal, markdown = rendered(document)
    assert f"Scrapes behind the figures while scraped: a {counts['a']}, b {counts['b']}." in terminal
    assert "while Prometheus 2.42.0 (auto: found on PATH) asks for both pages every 100 ms" in terminal
    assert "fewer than 30 scrapes" not in terminal
    assert "| Scrapes |" in markdown
    assert f"| {counts['a']} |" in markdown


def test_too_few_scrapes_are_told():
    """Where the machine cannot give thirty in the time the table says so."""
    terminal, _ = rendered(Bench(scrapes=2).run(budget_s=0.001, fewest=5))
    assert "! fewer than 30 scrapes behind the figures while scraped: a 10, b 10" in terminal


class TestRealScrapes:
    """Small pairs with real processes."""

    def test_scrapes_are_counted_for_the_turns_alone(self):
        """Some hundreds of milliseconds of turns at an interval of 10 ms are not without a scrape."""
        both = Subject(scraped=True, interval_ms=10)
        with Launcher(BlockPlan(10, 30 * MS), lines=lambda _series: FEW) as launch, SlotScraper("builtin", 10) as slots:
            launch.scraping = slots
            found = launch(both, both)
            rest = launch(Subject(), Subject())
        assert (found.void, rest.void) == ("", "")
        assert len(found.head_blocks) == 6
        assert found.head_scrapes >= 1
        assert found.base_scrapes >= 1
        # No scrape ends before it has been served: more than one a millisecond would be another count.
        assert found.head_scrapes <= sum(found.head_blocks) / MS
        assert (rest.head_scrapes, rest.base_scrapes) == (0, 0)

    @pytest.mark.slow
    @pytest.mark.prometheus
    def test_the_document_names_the_real_prometheus_and_its_version(self):
        """Where it is installed it scrapes, and the figure says that it did."""
        scraped = Subject(scraped=True, interval_ms=20)
        terms = Terms(budget_s=0.01, fewest=2, plan=BlockPlan(rounds=4, block_ns=100 * MS))
        found = measure_overhead(
            comparisons_for(["opencensus-lean"], common=scraped), terms, scraper="auto", lines=lambda _s: FEW
        )
        assert re.match(r"Prometheus \d+\.\d+", found.scraper)
        assert found.experiments[0].scrapes >= 1


def test_comparisons_at_rest_name_no_scraper():
    """Nobody scraped: no name, and no number."""
    bench = Bench()
    found = run_experiments(
        [Comparison(Subject(), Subject(instrument="a"))], Terms(budget_s=9), bench, now=lambda: bench.time
    )
    assert found.scraper == ""
    assert found.experiments[0].scrapes is None
