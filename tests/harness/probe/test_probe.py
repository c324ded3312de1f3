import json
import shutil
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.probe import child
from harness.probe.catalog import INSTRUMENTS, PROBES, Probe, ProbeResult
from harness.probe.recording import LOSE, RAISE, TEAR, Chance
from harness.probe.runner import document, rows, run_probe, run_probes, select

pytestmark = pytest.mark.system

RACES = {probe.name for probe in PROBES if probe.race}
# Made by the application's own call into the library, which lean leaves alone.
THE_LIBRARYS_OWN = {"bound-zero-warns"}


@pytest.fixture(scope="module")
def outcomes() -> dict[tuple[str, str], ProbeResult]:
    heard: list[ProbeResult] = []
    found = run_probes(on_outcome=heard.append)
    assert sorted(heard, key=str) == sorted(found, key=str)
    return {(each.probe, each.instrument): each for each in found}


def test_every_probe_has_an_experiment_and_every_experiment_a_probe() -> None:
    """No name leads nowhere, and nothing is measured that nobody is told of."""
    assert {probe.name for probe in PROBES} == set(child.EXPERIMENTS)
    assert len({probe.name for probe in PROBES}) == len(PROBES)


@pytest.mark.parametrize("probe", [probe.name for probe in PROBES])
def test_each_defect_of_the_pinned_versions_is_found_in_opencensus(
    probe: str, outcomes: dict[tuple[str, str], ProbeResult]
) -> None:
    """An experiment that cannot see the defect where it is known to be would prove nothing elsewhere.

    Races too: that one run misses one has a chance below one in ten thousand, and here it may do so twice.
    """
    outcome = outcomes[probe, "opencensus"]
    for _ in range(2):
        if outcome.state == "not seen":
            outcome = run_probe(next(each for each in PROBES if each.name == probe), "opencensus")
    if probe == "promtool-rejects" and shutil.which("promtool") is None:
        assert (outcome.state, "promtool is not on PATH" in outcome.evidence) == ("unknown", True)
        return
    assert outcome.state == "present", outcome.evidence


@pytest.mark.parametrize("probe", sorted({probe.name for probe in PROBES} - THE_LIBRARYS_OWN))
def test_no_defect_is_found_in_lean(probe: str, outcomes: dict[tuple[str, str], ProbeResult]) -> None:
    """The same experiment, the same program, recorded the lean way."""
    outcome = outcomes[probe, "opencensus-lean"]
    if probe == "promtool-rejects" and shutil.which("promtool") is None:
        return
    assert outcome.state == ("not seen" if probe in RACES else "absent"), outcome.evidence


@pytest.mark.parametrize("probe", sorted(RACES))
def test_a_race_that_does_not_show_is_not_seen_in_so_many_tries(
    probe: str, outcomes: dict[tuple[str, str], ProbeResult]
) -> None:
    """The evidence names the tries that were made and the chance that all of them miss it, which is small."""
    outcome = outcomes[probe, "opencensus-lean"]
    chance = {"threads-raise": RAISE, "threads-lose": LOSE, "torn-scrape": TEAR}[probe]
    assert outcome.data["tries"] == chance.tries
    assert f"not seen in {chance.tries} tries" in outcome.evidence
    assert outcome.data["miss"] == (1 - chance.rate) ** chance.tries < 1e-4
    assert " absent" not in outcome.evidence
    if probe != "torn-scrape":
        assert outcome.data["attempted"] == outcome.data["shown"] == 160


@pytest.mark.parametrize(
    ("each", "tries", "says"),
    [(0.5, 20, "20 miss it less than once in 1,000,000 times"), (0.4, 20, "20 miss it less than once in 20,000 times")],
)
def test_the_chance_of_a_miss_is_said_in_numbers(each: float, tries: int, says: str) -> None:
    """Rounded towards the more likely miss."""
    assert says in Chance(each, tries).text
    assert int(says.split(" in ")[1].split()[0].replace(",", "")) <= 1 / Chance(each, tries).miss


def test_only_a_race_is_ever_not_seen() -> None:
    """What an experiment decides for certain is absent; what it waits for is not seen; neither when it was not made."""
    for probe in PROBES:
        assert ProbeResult(probe.name, "opencensus", False, "").state == ("not seen" if probe.race else "absent")
        assert ProbeResult(probe.name, "opencensus", None, "").state == "unknown"


def test_outcomes_can_be_printed_and_kept(outcomes: dict[tuple[str, str], ProbeResult]) -> None:
    """A table row and a JSON object for each, with the versions they hold for."""
    found = list(outcomes.values())
    assert [row[:2] for row in rows(found)] == list(outcomes)
    kept = json.loads(json.dumps(document(found)))
    assert kept["schema_version"] == 1
    assert kept["environment"]["opencensus"]
    assert len(kept["outcomes"]) == len(PROBES) * len(INSTRUMENTS)
    assert all(
        each["state"] in {"present", "absent", "not seen", "unknown"} and each["evidence"] for each in kept["outcomes"]
    )


def test_an_experiment_that_dies_or_hangs_is_unknown_and_says_so() -> None:
    """No failure of the experiment passes for an answer."""
    died = run_probe(Probe("no-such-experiment", ""), "opencensus")
    assert (died.present, died.state) == (None, "unknown")
    assert "ended with code 1: KeyError" in died.evidence
    hung = run_probe(PROBES[0], "opencensus", timeout_s=0.001)
    assert (hung.present, hung.evidence) == (None, "no answer within 0.001 s")


def test_wrong_names_are_one_line() -> None:
    """A probe or instrument that is not known says what is."""
    with pytest.raises(UsageError, match="there is no probe 'x'; choose from copy-per-record"):
        select(["x"])
    with pytest.raises(UsageError, match="'none' cannot be probed; choose from opencensus, opencensus-lean"):
        run_probe(PROBES[0], "none")
    assert select() == PROBES
    assert [probe.name for probe in select(["nan-raises", "nan-raises"])] == ["nan-raises"]


def test_the_document_lists_every_probe() -> None:
    """The page names each probe twice: what it looks for, and what it saw."""
    text = (Path(__file__).parents[3] / "docs" / "probes.md").read_text()
    assert [probe.name for probe in PROBES if text.count(f"\n| `{probe.name}` |") != 2] == []
    assert [probe.name for probe in PROBES if probe.defect not in text] == []
