"""What the page "What a metric costs" promises: every figure on it comes from the pairs kept beside it."""

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cost import what_a_metric_costs
from harness.measure.questions.answer import Answer, renewed
from harness.measure.result import Experiment
from harness.report.numbers import MeasuredValue, Unit, plus_minus, with_interval

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = "what-a-metric-costs"


def test_the_page_is_what_its_data_says(tmp_path: Path) -> None:
    """Written anew from the stored document, page and pictures come out as they are in docs/, to the letter."""
    (tmp_path / "data").mkdir()
    for name in (f"{PAGE}.json.gz", f"{PAGE}-first.json.gz", "validation.jsonl.gz"):
        if (DOCS / "data" / name).is_file():
            shutil.copy(DOCS / "data" / name, tmp_path / "data" / name)
    assert what_a_metric_costs.main(["--render", "--quick", str(tmp_path)]) == 0
    assert (tmp_path / f"{PAGE}.md").read_text(encoding="utf-8") == (DOCS / f"{PAGE}.md").read_text(encoding="utf-8")
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "img").iterdir()}
    assert drawn
    assert drawn == {path.name: path.read_bytes() for path in (DOCS / "img").glob(f"{PAGE}-*.svg")}


def stored() -> Answer:
    return renewed(Answer.model_validate(json.loads(gzip.decompress((DOCS / "data" / f"{PAGE}.json.gz").read_bytes()))))


def test_the_same_conditions_measured_anew_cost_the_same() -> None:
    """Table and laws have them in common: each cost is within 3 % of their mean, as docs/overhead.md says."""
    costs: dict[str, list[float]] = {}
    for each in stored().experiments:
        usual = each.base == "none" and each.axis == "wall_ns" and each.verdict != "void"
        if usual and each.factors == {"series": 1, "scraped": False, "threads": 1} and each.cost_per_line:
            costs.setdefault(each.head, []).append(each.cost_per_line)
    assert len(costs) == 5
    for found in costs.values():
        assert len(found) >= 4
        mean = sum(found) / len(found)
        assert max(abs(cost / mean - 1) for cost in found) < 0.03


def shown(experiment: Experiment) -> Iterator[str]:
    """Yield how a cost or a ratio with its interval would read, in any unit."""
    cost = MeasuredValue(experiment.cost_per_line, *experiment.cost_interval)
    for scale in (1.0, 1e3, 1e6):
        yield plus_minus(cost, Unit("", scale))
        yield " (".join(with_interval(cost, Unit("", scale))) + ")"
    yield with_interval(MeasuredValue(experiment.ratio, *experiment.ratio_interval))[1]


def written(outcome: Answer, folder: Path) -> str:
    """Return page and pictures as text."""
    what_a_metric_costs.write(renewed(outcome), folder)
    return "\n".join(path.read_text(encoding="utf-8") for path in (folder / f"{PAGE}.md", *(folder / "img").iterdir()))


def test_no_figure_of_a_void_experiment_is_on_the_page(tmp_path: Path) -> None:
    """Of the stored run: neither as it is, nor where it would stand if it counted; and the page counts them."""
    outcome = stored()
    void = [each for each in outcome.experiments if each.verdict == "void"]
    text = written(outcome, tmp_path)
    for experiment in void:
        assert not [words for words in shown(experiment) if words in text], experiment.head
    assert (f"{len(void)} of the {len(outcome.experiments)} experiments behind this page are void" in text) == bool(
        void
    )
    assert text.count("✗ void") >= bool(void)


def test_a_page_of_void_experiments_concludes_nothing(tmp_path: Path) -> None:
    """The stored run with every experiment void: no cost, no law, no sum and no headline is left, in any picture."""
    outcome = stored()
    kept = [words for each in outcome.experiments for words in shown(each) if each.axis == "wall_ns"]
    sound = written(outcome, tmp_path / "sound")
    assert sum(words in sound for words in kept) > 100
    void = [each.model_copy(update={"verdict": "void"}) for each in outcome.experiments]
    text = written(outcome.model_copy(update={"experiments": void}), tmp_path / "void")
    # Figures of one or two digits stand for other things as well.
    assert not [words for words in kept if words in text and len(words) > 8]
    assert "times less" not in text
    assert "cost = " not in text
    assert " · series" not in text
    assert text.count("so nothing is said about it here") == 3
    assert "not known: the last step is void" in text


def test_a_new_run_keeps_the_one_before_it(tmp_path: Path) -> None:
    """As the first run, which the page compares it with."""
    first = stored()
    second = first.model_copy(update={"created": "2027-01-01T00:00:00+00:00"})
    what_a_metric_costs.keep(first, tmp_path)
    assert what_a_metric_costs.stored(tmp_path, what_a_metric_costs.FIRST) is None
    what_a_metric_costs.keep(second, tmp_path)
    before, now = (what_a_metric_costs.stored(tmp_path, name) for name in (what_a_metric_costs.FIRST, PAGE))
    assert before is not None
    assert now is not None
    assert (before.created, now.created) == (first.created, second.created)
