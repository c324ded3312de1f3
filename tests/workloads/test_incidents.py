"""Incidents as users write them, and what each makes of a load: a function of seed, line and due time."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workloads.test_workload import RICH, check, flat
from workloads.errors import GrammarError
from workloads.incidents import KINDS, Incident, begun_by, parse_incident
from workloads.refusals import ERROR_KINDS, MAX_LINE_BYTES
from workloads.shaping import FURTHER_SERIES
from workloads.workload import Workload, WorkloadSpec

S = 10**9
SHAPING = [kind for kind, about in KINDS.items() if about.shapes_load]

incidents = st.lists(
    st.builds(Incident, st.sampled_from(list(KINDS)), st.integers(0, 3 * S), st.integers(1, 2 * S)), max_size=6
).map(tuple)


def load(*texts: str, **parts: object) -> Workload:
    spec = {"arrivals": "constant:1000", "duration_ns": 6 * S, **parts}
    return Workload(WorkloadSpec(**spec, incidents=tuple(map(parse_incident, texts))))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("stall@2m+10s", Incident("stall", 120 * S, 10 * S)),
        ("errors@0s+250ms", Incident("errors", 0, S // 4)),
        (" bad-deploy @ 1.5h + 1m ", Incident("bad-deploy", 5400 * S, 60 * S)),
        ("restart@30s", Incident("restart", 30 * S, 0)),
        ("restart@30s+2s", Incident("restart", 30 * S, 2 * S)),
    ],
)
def test_an_incident_is_written_as_kind_start_and_duration(text: str, value: Incident) -> None:
    """Only a restart may do without a duration."""
    assert parse_incident(text) == value
    assert parse_incident(str(value)) == value


@given(st.sampled_from(list(KINDS)), st.integers(0, 10**17), st.integers(1, 10**16))
def test_what_is_written_reads_back(kind: str, start_ns: int, duration_ns: int) -> None:
    """In every unit."""
    incident = Incident(kind, min(start_ns, 366 * 86_400 * S), duration_ns)
    assert parse_incident(str(incident)) == incident


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "kind@start+duration, as in stall@2m+10s"),
        ("stall", "kind@start+duration"),
        ("stal@2m+10s", "did you mean 'stall'"),
        ("@2m+10s", "known: errors, slow"),
        ("stall@2m", "write stall@2m+10s"),
        ("stall@2m+", "not a duration"),
        ("stall@2m+0s", "out of range"),
        ("stall@-1s+1s", "out of range"),
        ("stall@2+1s", "unknown unit"),
        ("stall@2m+1s\n", "kind@start+duration"),
    ],
)
def test_a_wrong_incident_is_one_line_that_says_what_would_be_right(text: str, fragment: str) -> None:
    """With the text as it was given."""
    with pytest.raises(GrammarError) as caught:
        parse_incident(text)
    assert caught.value.field == "incident"
    assert fragment in str(caught.value)
    assert str(caught.value).isprintable()


def test_each_kind_says_what_it_shows_and_which_alert_fires() -> None:
    """One sentence each, and a name from the rules."""
    for about in KINDS.values():
        assert about.shows.endswith(".")
        assert about.alert == " and ".join(about.alerts)
        assert about.shapes_load or about.acts_on_service
    assert KINDS["bad-deploy"].alerts == ("LatencyHigh", "LinesRefused")


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_says_of_each_kind_what_the_table_says(kind: str) -> None:
    """What it does, what is to be seen, and the alert."""
    about = KINDS[kind]
    page = (Path(__file__).parents[2] / "docs" / "incidents.md").read_text(encoding="utf-8")
    assert f"| `{kind}` | {about.does} | {about.shows} | {about.alert} |" in page


@settings(deadline=None, max_examples=10)
@given(incidents, st.integers(1, 900), st.sampled_from([{}, RICH, {"arrivals": "burst:2000,period=500ms"}]))
def test_the_block_size_changes_nothing_under_any_incidents(
    happening: tuple[Incident, ...], size: int, parts: dict[str, str]
) -> None:
    """Lines, due times, truth, tags and digest, and every truth is true."""
    spec = WorkloadSpec(**parts, count=700, incidents=happening)  # type: ignore[arg-type]
    try:
        one, other = Workload(spec), Workload(spec)
    except GrammarError as error:
        assert "begins after the end" in error.text  # noqa: PT017 - a count may end before an incident
        return
    assert flat(one) == flat(other, size)
    assert one.digest == other.digest
    for block in one.blocks(size):
        check(block, one.methods)


@settings(deadline=None, max_examples=12)
@given(incidents, st.integers(1, 7))
def test_shards_together_are_the_whole_under_any_incidents(happening: tuple[Incident, ...], n: int) -> None:
    """Shard k of n holds the lines i with i mod n = k, at their own due times."""
    spec = WorkloadSpec(**RICH, duration_ns=5 * S, count=2000, incidents=happening)  # type: ignore[arg-type]
    try:
        whole = flat(Workload(spec))
    except GrammarError as error:
        assert "begins after the end" in error.text  # noqa: PT017
        return
    for k in range(n):
        assert flat(Workload(spec).shard(k, n), 300) == whole[k::n]


@settings(deadline=None, max_examples=40)
@given(incidents, st.sampled_from(["constant:1000", "poisson:500", "sine:400,period=1s"]), st.integers(1, 6 * S))
def test_a_moved_schedule_still_ends_in_time(happening: tuple[Incident, ...], arrivals: str, duration: int) -> None:
    """Every line is due before the end, none in a silence, and the next one is not before the end."""
    happening = begun_by(happening, duration)
    spec = WorkloadSpec(arrivals=arrivals, duration_ns=duration, incidents=happening)
    due = np.concatenate([[0], *(block.due_ns for block in Workload(spec).blocks())])
    assert (np.diff(due) >= 0).all()
    assert due[-1] < duration
    for silence in (each for each in happening if each.kind == "silence"):
        assert not ((due[1:] >= silence.start_ns) & (due[1:] < silence.end_ns)).any()
    longer = WorkloadSpec(arrivals=arrivals, count=due.size, duration_ns=9 * S, incidents=happening)
    after = np.concatenate([[0], *(block.due_ns for block in Workload(longer).blocks())])
    assert (after[:-1] == due[: after.size - 1]).all()
    assert after.size == due.size or after[-1] >= duration


def test_without_incidents_a_digest_stays_what_it_was() -> None:
    """Those that only act on the service change nothing of the load."""
    plain, other, moved = load(), load("stall@1s+1s", "slow@2s+1s", "restart@3s"), load("silence@5s+1s")
    for each in (plain, other, moved):
        flat(each)
    assert plain.digest == other.digest == PLAIN_DIGEST
    assert moved.digest != plain.digest


# Of 6000 lines at constant:1000 with seed 1, before there were incidents.
PLAIN_DIGEST = "6a25fafd2c0c538037e367f4ac02d554ff93af13603e4c10b23335db1c482e49"


@pytest.mark.parametrize("kind", SHAPING)
def test_a_load_with_an_incident_has_a_digest_of_its_own(kind: str) -> None:
    """Each kind that shapes the load is part of it, the methods of `series` included."""
    one, other, plain = load(f"{kind}@1s+1s"), load(f"{kind}@1s+1500ms"), load()
    assert len({each.digest for each in (one, other, plain) if flat(each)}) == 3


def test_errors_refuse_half_of_the_lines() -> None:
    """None is over-long, so that line lengths say nothing of it; a bad deployment refuses a quarter."""
    for text, share in (("errors@2s+2s", 0.5), ("bad-deploy@2s+2s", 0.25)):
        rows = flat(load(text))
        inside = [row[6] for row in rows if 2 * S <= row[2] < 4 * S]  # type: ignore[operator]
        assert {ERROR_KINDS[kind] for kind in inside} == {"", "not_utf8", "nul"}  # type: ignore[index]
        assert sum(kind != 0 for kind in inside) / 2000 == pytest.approx(share, abs=0.05)
        assert not any(row[6] for row in rows if not 2 * S <= row[2] < 4 * S)  # type: ignore[operator]


def test_long_lines_are_twenty_times_as_long() -> None:
    """Up to what the REPL takes, and the same lines as before otherwise."""
    plain, long = flat(load(lengths="uniform:max=10000")), flat(load("long-lines@2s+2s", lengths="uniform:max=10000"))
    for before, after in zip(plain, long, strict=True):
        times = 20 if 2 * S <= before[2] < 4 * S else 1  # type: ignore[operator]
        assert after[4] == before[4] * min(times, MAX_LINE_BYTES // max(before[4], 1))  # type: ignore[operator, call-overload, type-var]
        assert after[1].startswith(before[1])  # type: ignore[attr-defined]


def test_a_flood_is_five_times_as_fast_and_a_silence_has_no_line() -> None:
    """What comes afterwards is moved; where both are at once there is silence."""
    flood = [row[2] for row in flat(load("flood@1s+1s"))]
    assert [sum(i * S <= due < (i + 1) * S for due in flood) for i in range(6)] == [1000, 5000, 1000, 1000, 1000, 1000]
    both = [row[2] for row in flat(load("flood@1s+2s", "silence@2s+2s"))]
    assert [sum(i * S <= due < (i + 1) * S for due in both) for i in range(6)] == [1000, 5000, 0, 0, 1000, 1000]


def test_series_adds_a_hundred_methods() -> None:
    """Every line meanwhile carries one of them, and no other line."""
    workload = load("series@2s+2s", series="3")
    assert len(workload.methods) == 3 + FURTHER_SERIES
    rows = flat(workload)
    further = {row[5] for row in rows if 2 * S <= row[2] < 4 * S}  # type: ignore[operator]
    assert further == set(range(3, 3 + FURTHER_SERIES))
    assert {row[5] for row in rows if not 2 * S <= row[2] < 4 * S} == {0, 1, 2}  # type: ignore[operator]


def test_incidents_that_cannot_happen_are_refused() -> None:
    """Without a schedule there is no moment at which to begin, and none after the end."""
    with pytest.raises(GrammarError, match="needs a schedule"):
        load("stall@1s+1s", arrivals="max")
    with pytest.raises(GrammarError, match="begins after the end of the load, which is at 6 s"):
        load("stall@7s+1s")
    with pytest.raises(GrammarError, match="begins after the end"):
        load("stall@2s+1s", count=1000)
    late = WorkloadSpec(arrivals="constant:1000", duration_ns=S, incidents=(Incident("stall", 7 * S, S),))
    assert Workload(late, happened=True).end_ns == S


@settings(deadline=None, max_examples=12)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(SHAPING), st.integers(1, S)), max_size=4),
    st.integers(1, 3),
)
def test_what_is_switched_on_is_sent_as_if_it_had_been_scheduled(
    switches: list[tuple[int, str, int]], shards: int
) -> None:
    """Whatever was made ahead is taken back: lines and digest are those of a spec with all incidents from the start."""
    spec = WorkloadSpec(**RICH, duration_ns=3 * S)  # type: ignore[arg-type]
    live = Workload(spec, switchable=True).shard(0, shards)
    sent: list[tuple[object, ...]] = []
    scheduled: list[Incident] = []
    blocks = live.blocks(64)
    for lines, kind, duration_ns in switches:
        ahead = list(islice(blocks, 2))
        ready = [row for block in ahead for row in _rows(block)]
        taken = min(lines, len(ready))
        sent += ready[:taken]
        last_ns = sent[-1][2] if sent else -1
        incident = Incident(kind, last_ns + 1, duration_ns)  # type: ignore[operator]
        scheduled.append(incident)
        blocks = live.switch([incident], shards * len(sent), 64)
    sent += [row for block in blocks for row in _rows(block)]
    whole = Workload(WorkloadSpec(**RICH, duration_ns=3 * S, incidents=tuple(scheduled))).shard(0, shards)  # type: ignore[arg-type]
    expected = [row for block in whole.blocks(64) for row in _rows(block)]
    assert sent == expected
    assert live.digest == whole.digest
    assert live.made == len(sent)


def _rows(block: object) -> list[tuple[object, ...]]:
    return list(
        zip(
            block.lines,  # type: ignore[attr-defined]
            block.tags,  # type: ignore[attr-defined]
            block.due_ns.tolist(),  # type: ignore[attr-defined]
            block.truth.lengths.tolist(),  # type: ignore[attr-defined]
            strict=True,
        )
    )


def test_only_a_switchable_workload_can_be_switched() -> None:
    """Nothing else remembers what it handed out."""
    workload = load()
    list(islice(workload.blocks(10), 3))
    with pytest.raises(ValueError, match="not switchable"):
        workload.switch([Incident("flood", S, S)], 15)
