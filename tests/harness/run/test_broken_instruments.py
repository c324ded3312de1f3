"""The audit before instruments that are wrong in one way each, and before those that are right."""

import pytest

from harness.audit.findings import Name
from harness.instruments import create
from harness.run.result import AuditResult
from harness.views import QUICKSTART_VIEWS
from tests.harness.run import broken
from tests.harness.run.stepped import LINES, METHODS, SCRAPE_EVERY, audited

pytestmark = pytest.mark.system

# promtool says what it does, where it is installed at all.
PROMTOOL = {Name.PROMTOOL_REJECTS, Name.PROMTOOL_MISSING}

LOST = {Name.COUNT_MISMATCH, Name.BUCKET_MISMATCH, Name.SUM_MISMATCH}
BEHIND, AHEAD = {Name.SCRAPE_BEHIND}, {Name.SCRAPE_AHEAD}
OTHER_SERIES = {Name.SERIES_MISSING, Name.SERIES_UNEXPECTED} | BEHIND | AHEAD
UNREADABLE = {Name.PAGE_UNREADABLE, Name.TOO_MANY_SCRAPES_FAILED}


def found(result: AuditResult) -> set[str]:
    return {finding.name for finding in result.findings} - PROMTOOL


@pytest.mark.parametrize(
    ("instrument", "names"),
    [
        (broken.LosesOneInAThousand, LOST | BEHIND),
        (broken.AddsOne, LOST | AHEAD),
        (broken.CountsTwiceUnderThreads, LOST | AHEAD),
        (broken.RecordsSeconds, {Name.SUM_MISMATCH, Name.BUCKET_MISMATCH} | BEHIND | AHEAD),
        (broken.RecordsTheLengthAsLatency, {Name.SUM_MISMATCH, Name.BUCKET_MISMATCH} | BEHIND | AHEAD),
        (broken.RecordsNoLatency, {Name.SUM_MISMATCH, Name.BUCKET_MISMATCH} | BEHIND | AHEAD),
        (broken.RoundsToMicroseconds, {Name.SUM_MISMATCH} | BEHIND | AHEAD),
        (broken.CountsTheLineEnding, {Name.SUM_MISMATCH, Name.BUCKET_BOUND_EXCLUSIVE} | AHEAD),
        (broken.MixesUpMethods, LOST | BEHIND | AHEAD),
        (broken.SwapsStatusAndError, OTHER_SERIES),
        (broken.ForgetsTheError, OTHER_SERIES),
        (broken.CountsLate, BEHIND),
        (
            broken.StartsAnew,
            LOST | BEHIND | {Name.COUNTER_DECREASED, Name.SUM_DECREASED, Name.SERIES_VANISHED},
        ),
        (broken.RaisesSometimes, {Name.RECORD_RAISED}),
        (broken.ZeroSum, {Name.SUM_MISMATCH} | BEHIND),
        (broken.NanSum, {Name.SUM_MISMATCH, Name.VALUE_NOT_A_NUMBER}),
        (broken.NoSum, {Name.SUM_MISMATCH} | BEHIND),
        (broken.SinglePrecision, {Name.SUM_MISMATCH} | BEHIND | AHEAD),
        (broken.DropsASeriesOnce, {Name.SERIES_VANISHED} | BEHIND),
        (broken.DropsASumOnce, {Name.SERIES_VANISHED} | BEHIND),
        (broken.NanOnce, {Name.VALUE_NOT_A_NUMBER}),
        (broken.FallsOnce, {Name.COUNTER_DECREASED} | BEHIND),
        (broken.AheadOnce, {Name.COUNTER_DECREASED} | AHEAD),
        (broken.FrozenOnce, BEHIND),
        (broken.FrozenForEver, LOST | BEHIND),
        (broken.WrongBucket, {Name.BUCKET_MISMATCH} | AHEAD),
        (broken.InfiniteBucketOneShort, {Name.BUCKET_MISMATCH, Name.COUNT_NOT_INF_BUCKET} | BEHIND),
        (broken.NegativeCounter, {Name.COUNT_MISMATCH, Name.COUNTER_DECREASED} | BEHIND),
        (broken.ShowsEachSeriesTwice, {Name.SERIES_REPEATED}),
        (broken.InventsASeries, {Name.SERIES_UNEXPECTED} | AHEAD),
        (broken.LosesTheErrors, {Name.SERIES_MISSING} | BEHIND),
        (broken.EscapesTwice, OTHER_SERIES),
    ],
)
def test_a_wrong_instrument_is_not_conserved_and_its_fault_is_named(
    instrument: type[broken.Right], names: set[Name]
) -> None:
    """Whatever is lost, invented, misplaced, late or gone for one scrape is found, and nothing else is."""
    result = audited(instrument(QUICKSTART_VIEWS))
    assert found(result) == names
    assert (result.outcome, result.conserved) == ("not_conserved", False)


@pytest.mark.parametrize(
    ("instrument", "names", "unseen"),
    [
        (broken.RaisesWhenRead, {Name.TOO_MANY_SCRAPES_FAILED}, 1),
        (broken.RaisesAtTheEnd, UNREADABLE, 2),
        (broken.NoPage, UNREADABLE, 2),
    ],
)
def test_a_page_that_cannot_be_read_is_not_verified(
    instrument: type[broken.Right], names: set[Name], unseen: int
) -> None:
    """What could not be looked at is told, and is not called wrong."""
    result = audited(instrument(QUICKSTART_VIEWS))
    assert found(result) == names
    assert (result.outcome, result.conserved) == ("not_verified", None)
    assert len(result.not_seen) == unseen


@pytest.mark.parametrize(
    ("instrument", "names"),
    [
        (broken.OtherHelp, {Name.HELP_MISMATCH}),
        (broken.Untyped, {Name.TYPE_MISMATCH}),
        (broken.GaugeForCounter, {Name.TYPE_MISMATCH}),
        (broken.TwelveDigits, {Name.SUM_INEXACT}),
    ],
)
def test_what_is_told_wrongly_without_a_loss_is_a_warning(instrument: type[broken.Right], names: set[Name]) -> None:
    """A page that describes right figures wrongly, or rounds them, is conserved with a warning."""
    result = audited(instrument(QUICKSTART_VIEWS))
    assert found(result) == names
    assert result.outcome == "conserved"


@pytest.mark.parametrize("name", ["prometheus-client", "prometheus-client-cached", "opentelemetry"])
def test_a_right_instrument_is_innocent_whatever_its_labels_hold(name: str) -> None:
    """Nothing is found, with labels that have to be escaped, and every scrape was held against the ledger."""
    result = audited(create(name, QUICKSTART_VIEWS))
    assert found(result) == set()
    assert result.outcome == "conserved"
    # One at the start, one with the first line, two for each stretch of lines, one at the end.
    assert result.scrapes_compared == 3 + LINES // SCRAPE_EVERY * 2


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("opencensus-lean", set()),
        (
            "opencensus",
            {Name.BUCKET_BOUND_EXCLUSIVE, Name.HELP_TYPE_REPEATED, Name.SUM_DECREASED, Name.SUM_INEXACT},
        ),
    ],
)
def test_opencensus_is_convicted_of_what_it_does_and_of_nothing_else(name: str, names: set[Name]) -> None:
    """Its known warnings at most, and no loss; its labels may not hold what the others' may."""
    result = audited(create(name, QUICKSTART_VIEWS), methods=("a", "b", "c", "d", "e"))
    assert found(result) <= names
    assert (Name.BUCKET_BOUND_EXCLUSIVE in found(result)) is (name == "opencensus")
    assert result.outcome == "conserved"


def test_the_table_of_faults_is_complete() -> None:
    """Each instrument that was made to be wrong stands in one of the tables above, and they are many."""
    tests = (
        test_a_wrong_instrument_is_not_conserved_and_its_fault_is_named,
        test_a_page_that_cannot_be_read_is_not_verified,
        test_what_is_told_wrongly_without_a_loss_is_a_warning,
    )
    listed = {row[0] for test in tests for mark in test.pytestmark for row in mark.args[1]}  # type: ignore[attr-defined]
    made = {one for one in vars(broken).values() if isinstance(one, type) and issubclass(one, broken.Right)}
    assert made - listed == {broken.Right, broken.Shows}
    assert len(listed) >= 35
    assert len(METHODS) == 5
