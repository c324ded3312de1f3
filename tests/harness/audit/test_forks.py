"""Pages of forked workers: counters that are kept apart have one name, and a line in doubt is no error."""

import pytest

from harness.audit.audit import Audit, AuditOutcome, audit
from harness.audit.findings import Name, Severity, sentence
from harness.audit.forks import Forked
from harness.exposition.page import fold
from harness.views import LINE_LENGTHS, Tags
from tests.harness.scrape.conforming import VIEWS, expected_of, page_of, truth_of

REPL, OTHER = Tags(), Tags("other")
# What two workers recorded, and both together.
FIRST, SECOND, BOTH = {REPL: [3, 5]}, {REPL: [7, 400], OTHER: [9]}, {REPL: [3, 5, 7, 400], OTHER: [9]}
APART = Forked(serving=(expected_of(FIRST), expected_of(SECOND)))


def audited(truth: dict[Tags, list[int]], shown: dict[Tags, list[int]], forked: Forked) -> Audit:
    page = page_of(expected_of(shown))
    return audit(expected_of(truth), VIEWS, page, fold(page.samples, VIEWS), forked=forked)


def doubt(*lines: Tags) -> Forked:
    """Return what is known where workers were killed at lines of these series."""
    doubtful = tuple({view.name: tags for view in VIEWS if tags.error or view.name != "demo_errors"} for tags in lines)
    return Forked(doubtful=doubtful, killed=len(lines))


class TestApart:
    """Every worker has counters of its own."""

    @pytest.mark.parametrize(("shown", "missing"), [(FIRST, 3), (SECOND, 2), ({}, 5)], ids=["first", "second", "none"])
    def test_a_page_of_one_worker_is_found_and_sized(self, shown: dict[Tags, list[int]], missing: int) -> None:
        """With the lines that are not shown, and without whatever else follows from it."""
        forked = Forked(serving=(*APART.serving, {}))
        (finding,) = audited(BOTH, shown, forked).findings
        assert (finding.name, finding.severity, finding.size) == (Name.WORKERS_COUNTED_APART, Severity.ERROR, missing)
        assert sentence(finding).startswith(f"{missing} of 5 lines are not on the page: it shows one of 3")

    def test_the_page_of_all_is_right(self) -> None:
        """Nothing is found."""
        assert audited(BOTH, BOTH, APART).findings == ()

    def test_what_is_wrong_with_that_worker_is_found_as_well(self) -> None:
        """A sum that is not that of its lines."""
        page = page_of({**expected_of(FIRST), "demo_line_lengths": {REPL: truth_of([3, 4], LINE_LENGTHS.bounds)}})
        result = audit(expected_of(BOTH), VIEWS, page, None, forked=APART)
        assert {Name.WORKERS_COUNTED_APART, Name.SUM_MISMATCH} <= {finding.name for finding in result.findings}

    def test_another_loss_has_another_name(self) -> None:
        """A page that no single worker explains is not taken for one of theirs."""
        names = {finding.name for finding in audited(BOTH, {REPL: [3, 5, 7], OTHER: [9]}, APART).findings}
        assert Name.WORKERS_COUNTED_APART not in names
        assert Name.COUNT_MISMATCH in names

    def test_a_single_worker_is_never_apart(self) -> None:
        """Its page is the page of all."""
        assert audited(FIRST, FIRST, Forked(serving=(expected_of(FIRST),))).findings == ()


class TestKilled:
    """A worker was killed at a line, which may have been recorded."""

    @pytest.mark.parametrize("shown", [FIRST, {REPL: [3, 5, 900]}, {REPL: [3, 5, 5]}], ids=["not", "recorded", "equal"])
    def test_the_line_may_be_on_the_page(self, shown: dict[Tags, list[int]]) -> None:
        """Both are right, in whatever bucket it is; that a worker was killed is told."""
        result = audited(FIRST, shown, doubt(REPL))
        assert result.outcome is AuditOutcome.CONSERVED
        (finding,) = result.findings
        assert (finding.name, finding.size) == (Name.WORKER_KILLED, 1)

    def test_it_may_be_the_only_one_of_its_series(self) -> None:
        """A series that no other line has."""
        assert audited(FIRST, {**FIRST, OTHER: [9]}, doubt(OTHER)).outcome is AuditOutcome.CONSERVED
        assert audited(FIRST, FIRST, doubt(OTHER)).outcome is AuditOutcome.CONSERVED

    @pytest.mark.parametrize(
        "shown", [{REPL: [3]}, {REPL: [3, 5, 7, 9]}, {REPL: [3, 700, 900]}, {**FIRST, OTHER: [9, 9]}],
        ids=["fewer", "two more", "another bucket", "another series"],
    )  # fmt: skip
    def test_nothing_else_may(self, shown: dict[Tags, list[int]]) -> None:
        """A line that was lost, or one more than were in doubt, is an error as ever."""
        assert audited(FIRST, shown, doubt(REPL)).outcome is AuditOutcome.NOT_CONSERVED
        assert audited(FIRST, shown, doubt(OTHER)).outcome is AuditOutcome.NOT_CONSERVED

    def test_each_view_is_settled_by_itself(self) -> None:
        """A kill between two metrics leaves the line in one of them."""
        page = page_of({**expected_of(FIRST), "demo_lines_in": expected_of({REPL: [3, 5, 7]})["demo_lines_in"]})
        result = audit(expected_of(FIRST), VIEWS, page, fold(page.samples, VIEWS), forked=doubt(REPL))
        assert result.outcome is AuditOutcome.CONSERVED
