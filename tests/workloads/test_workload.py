"""One spec, one load: the same lines, truth, tags and due times, however they are asked for."""

import re
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import repl
from harness.views import LENGTH_BOUNDS_BYTES as VIEW_BOUNDS
from workloads.errors import GrammarError
from workloads.forms import LANGUAGES, Parameter, ValueKind
from workloads.refusals import ERROR_KINDS, MAX_LINE_BYTES, classify
from workloads.workload import LENGTH_BOUNDS_BYTES, Block, Workload, WorkloadSpec

S = 10**9
RICH = {"errors": "3%", "series": "zipf:n=20,s=1.2", "content": "unicode", "arrivals": "sine:1000,jitter=poisson"}


def flat(workload: Workload, size: int = 4096) -> list[tuple[object, ...]]:
    return [
        row
        for block in workload.blocks(size)
        for row in zip(
            range(block.first, block.first + block.step * len(block.lines), block.step),
            block.lines,
            block.due_ns.tolist(),
            block.tags,
            block.truth.lengths.tolist(),
            block.truth.method.tolist(),
            block.truth.error.tolist(),
            strict=True,
        )
    ]


def check(block: Block, methods: tuple[str, ...]) -> None:
    truth = block.truth
    assert truth.lengths.dtype == np.int64
    assert truth.method.dtype == np.int32
    assert truth.error.dtype == np.int8
    assert (np.diff(block.due_ns) >= 0).all()
    for line, length, method, error, tags in zip(
        block.lines, truth.lengths, truth.method, truth.error, block.tags, strict=True
    ):
        raw = line.encode("utf-8", "surrogateescape")
        assert len(raw) == length
        assert classify(raw) == error
        assert tags == (methods[method], "OK", "")
        assert "\n" not in line
        assert "\r" not in line


@pytest.mark.parametrize("lengths", ["lognormal", "0.5*edges + 0.5*uniform:max=900", "constant:0", "zipf"])
@pytest.mark.parametrize("content", ["words", "unicode", "json"])
def test_the_truth_is_true(lengths: str, content: str) -> None:
    """Lengths are the bytes of the lines, errors what the REPL finds, tags those of the method."""
    spec = WorkloadSpec(lengths=lengths, content=content, errors="5%", series="7", count=3000)
    workload = Workload(spec)
    kinds: Counter[int] = Counter()
    for block in workload.blocks():
        check(block, workload.methods)
        kinds.update(block.truth.error.tolist())
    assert kinds.total() == 3000
    assert set(kinds) == set(range(len(ERROR_KINDS)))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 9000), st.sampled_from([{}, RICH, {"arrivals": "max"}, {"lengths": "uniform:min=1000,max=5000"}]))
def test_the_block_size_changes_nothing(size: int, parts: dict[str, str]) -> None:
    """Lines, due times, truth, tags and digest are the same whatever the size of the blocks."""
    one, other = (Workload(WorkloadSpec(**parts, count=4500)) for _ in range(2))  # type: ignore[arg-type]
    assert flat(one) == flat(other, size)
    assert one.digest == other.digest


def test_same_seed_same_digest_and_everything_sent_counts() -> None:
    """The digest repeats, restarts with `blocks`, and changes with every part of the spec and one line more."""
    specs = [
        WorkloadSpec(count=500),
        WorkloadSpec(count=500, seed=2),
        WorkloadSpec(count=500, content="names"),
        WorkloadSpec(count=500, lengths="lognormal:median=41"),
        WorkloadSpec(count=500, arrivals="poisson:1001"),
        WorkloadSpec(count=500, errors="1%"),
        WorkloadSpec(count=501),
    ]
    digests = []
    for spec in specs:
        workload = Workload(spec)
        flat(workload)
        digests.append(workload.digest)
        flat(workload, 77)
        assert workload.digest == digests[-1]
    assert len(set(digests)) == len(specs)


def test_the_digest_is_of_what_was_handed_out_so_far() -> None:
    """Half the lines have the digest of a workload half as long."""
    long, short = Workload(WorkloadSpec(count=1000)), Workload(WorkloadSpec(count=500))
    list(islice(long.blocks(250), 2))
    flat(short)
    assert long.digest == short.digest


def test_a_known_load_stays_known() -> None:
    """Due times and lengths of seed 1 are pinned: a change here is a change of every digest that was stored."""
    block = next(Workload(WorkloadSpec(count=6)).blocks())
    assert block.due_ns.tolist() == KNOWN_DUE
    assert block.truth.lengths.tolist() == KNOWN_LENGTHS


KNOWN_DUE = [2577859, 2598046, 3376995, 6367653, 6492241, 6522314]
KNOWN_LENGTHS = [16, 165, 148, 18, 52, 78]


def test_parts_are_independent() -> None:
    """Adding errors, series, or another schedule changes no good line's text."""
    plain = flat(Workload(WorkloadSpec(count=3000)))
    errors = flat(Workload(WorkloadSpec(count=3000, errors="5%", series="9", arrivals="constant:5")))
    changed = sum(a[1] != b[1] for a, b in zip(plain, errors, strict=True))
    bad = sum(row[6] != 0 for row in errors)
    assert changed == bad > 100


@pytest.mark.parametrize("n", [1, 2, 3, 7, 5000])
def test_shards_together_are_the_whole(n: int) -> None:
    """Shard k of n holds the lines i with i mod n = k with their own due times, tags and truth."""
    spec = WorkloadSpec(**RICH, count=5000 if n < 5000 else 5003)  # type: ignore[arg-type]
    whole = flat(Workload(spec))
    shards = range(n) if n < 5000 else (0, 2, 3, 4999)
    for k in shards:
        assert flat(Workload(spec).shard(k, n), 300) == whole[k::n]


@pytest.mark.parametrize("size", [1, 7, 300])
def test_a_part_of_a_shard_is_a_part_of_the_whole(size: int) -> None:
    """Lines from any line of it on, as many as asked for; the digest is of these."""
    spec = WorkloadSpec(count=1000, errors="5%", series="3")
    whole, shard = flat(Workload(spec)), Workload(spec).shard(1, 3)
    lines = [line for block in shard.blocks(size, first=31, count=50) for line in block.lines]
    assert lines == [row[1] for row in whole[31::3][:50]]
    assert shard.made == 50
    digest = shard.digest
    assert [len(block.lines) for block in shard.blocks(4096, first=31, count=50)] == [50]
    assert shard.digest == digest
    assert [len(block.lines) for block in shard.blocks(4096, first=991, count=50)] == [3]
    assert list(shard.blocks(first=31, count=0)) == []


def test_a_shard_of_a_shard_and_a_wrong_shard() -> None:
    """Sharding nests; a shard that does not exist is refused."""
    spec = WorkloadSpec(count=100)
    assert flat(Workload(spec).shard(1, 2).shard(2, 3)) == flat(Workload(spec))[5::6]
    with pytest.raises(ValueError, match="shard 2 of 2"):
        Workload(spec).shard(2, 2)


@pytest.mark.parametrize(
    ("parts", "total"),
    [
        ({"arrivals": "constant:100", "count": 10}, 10),
        ({"arrivals": "constant:100", "duration_ns": 10 * S}, 1000),
        ({"arrivals": "constant:100", "duration_ns": 10 * S, "count": 3}, 3),
        ({"arrivals": "constant:100", "duration_ns": S, "count": 3000}, 100),
        ({"arrivals": "ramp:from=100,to=0,over=10s"}, 500),
        ({"arrivals": "burst:1000", "duration_ns": 3 * S}, 3000),
        ({"arrivals": "constant:1/h", "duration_ns": S}, 1),
        ({"arrivals": "max", "count": 10}, 10),
        ({"arrivals": "max", "duration_ns": S}, None),
    ],
)
def test_ends(parts: dict[str, object], total: int | None) -> None:
    """Count and duration both end a workload, whichever comes first."""
    workload = Workload(WorkloadSpec(**parts))  # type: ignore[arg-type]
    assert workload.total == total
    assert workload.closed_loop == (parts["arrivals"] == "max")
    if total:
        assert len(flat(workload)) == total


def test_a_closed_loop_by_duration_goes_on() -> None:
    """Without a schedule the caller ends the loop."""
    blocks = list(islice(Workload(WorkloadSpec(arrivals="max", duration_ns=S)).blocks(100), 90))
    assert sum(len(block.lines) for block in blocks) == 9000
    assert not any(block.due_ns.any() for block in blocks)


def test_long_lines_make_short_blocks() -> None:
    """A block holds some 4 MiB of text at most, and no line is lost for it."""
    workload = Workload(WorkloadSpec(lengths="constant:64KiB", count=200))
    sizes = [len(block.lines) for block in workload.blocks()]
    assert sizes == [64, 64, 64, 8]


def test_replay_sends_the_files_own_lines(tmp_path: Path) -> None:
    """Lengths and text come from the file, bad lines included, once through without a limit and in circles with one."""
    path = tmp_path / "lines"
    path.write_bytes("one\r\nzwéi\n\n".encode() + b"\xff\xfe\nnul\0\n" + b"x" * (MAX_LINE_BYTES + 1))
    once = Workload(WorkloadSpec(lengths=f"replay:{path}"))
    rows = flat(once)
    assert [row[1] for row in rows[:5]] == ["one", "zwéi", "", "\udcff\udcfe", "nul\0"]
    assert [row[6] for row in rows] == [0, 0, 0, 1, 2, 3]
    assert [row[4] for row in rows] == [3, 5, 0, 2, 4, MAX_LINE_BYTES + 1]
    again = flat(Workload(WorkloadSpec(lengths=f"replay:{path}", count=14)), 5)
    assert [row[1] for row in again] == [rows[i % 6][1] for i in range(14)]
    short = flat(Workload(WorkloadSpec(lengths=f"replay:{path},min=1,max=4")))
    assert [row[1] for row in short] == ["one", "\udcff\udcfe", "nul\0"]
    assert flat(Workload(WorkloadSpec(lengths=f"replay:{path}")).shard(1, 2)) == rows[1::2]
    for block in (spoilt := Workload(WorkloadSpec(lengths=f"replay:{path}", errors="50%", count=300))).blocks():
        check(block, spoilt.methods)


def test_timestamps_end_the_workload(tmp_path: Path) -> None:
    """Replayed timestamps give as many lines as there are timestamps."""
    path = tmp_path / "times"
    path.write_text("10\n11\n11.5\n")
    workload = Workload(WorkloadSpec(arrivals=f"replay:{path}"))
    assert [row[2] for row in flat(workload)] == [0, S, 3 * S // 2]


def test_series_are_as_many_and_as_uneven_as_asked_for() -> None:
    """One series is the quickstart's own; N are numbered; zipf prefers the first."""
    assert Workload(WorkloadSpec(count=1)).methods == ("repl",)
    many = Workload(WorkloadSpec(count=20_000, series="100"))
    assert many.methods[0] == "repl-00"
    assert len(set(many.methods)) == 100
    counts = Counter(row[5] for row in flat(many))
    assert len(counts) == 100
    assert max(counts.values()) < 2 * min(counts.values())
    steep = Counter(row[5] for row in flat(Workload(WorkloadSpec(count=20_000, series="zipf:n=1000,s=1.1"))))
    assert steep[0] > 1.8 * steep[1] > 3 * steep[9]
    assert len(Workload(WorkloadSpec(count=1, series="zipf:n=1k,s=50")).methods) == 1000


@pytest.mark.parametrize(
    ("parts", "fragment"),
    [
        ({}, "count/duration"),
        ({"count": 0}, "count"),
        ({"count": -5}, "count"),
        ({"count": 10**30}, "count"),
        ({"duration_ns": 0}, "duration"),
        ({"duration_ns": 10**30}, "duration"),
        ({"seed": -1, "count": 1}, "seed"),
        ({"seed": 2**80, "count": 1}, "seed"),
        ({"lengths": "lognrmal", "count": 1}, "lengths"),
        ({"content": "wods", "count": 1}, "content"),
        ({"arrivals": "constant:0", "count": 1}, "arrivals"),
        ({"errors": "nul=80%,not_utf8=80%", "count": 1}, "errors"),
        ({"series": "zipf", "count": 1}, "series"),
        ({"arrivals": "constant:1/d", "count": 10**15}, "292 years"),
        ({"arrivals": "constant:1/d,jitter=poisson", "count": 10**15}, "292 years"),
        ({"lengths": "0.5*replay:x + 0.5*edges", "count": 1}, "cannot be mixed"),
        ({"lengths": "replay:/no/such", "count": 1}, "/no/such"),
    ],
)
def test_wrong_specs_are_one_line_with_the_field(parts: dict[str, object], fragment: str) -> None:
    """Whatever is wrong is said before anything is sent."""
    with pytest.raises(GrammarError) as caught:
        Workload(WorkloadSpec(**parts))  # type: ignore[arg-type]
    assert fragment in (caught.value.field, *re.findall(re.escape(fragment), str(caught.value)))
    assert "\n" not in str(caught.value)


def test_two_copies_of_a_limit_agree() -> None:
    """The generator's over-long line is the REPL's, and `edges` aims at the view's bounds."""
    assert repl.MAX_LINE_BYTES == MAX_LINE_BYTES
    assert ERROR_KINDS[1:] == (repl.NOT_UTF8, repl.NUL, repl.TOO_LONG)
    assert LENGTH_BOUNDS_BYTES == VIEW_BOUNDS


def test_blocks_need_a_size() -> None:
    """A block of no lines would never end."""
    with pytest.raises(ValueError, match="at least one line"):
        next(Workload(WorkloadSpec(count=1)).blocks(0))


def _numbers(parameter: Parameter) -> st.SearchStrategy[str]:
    """Return texts for a key: its ends, something small, and something absurd."""
    plain = st.sampled_from(["0", "1", "2", "40", "1e3", "0.5", "-1", "nan", "", "9e99"])
    units = {
        ValueKind.RATE: st.sampled_from(["1/d", "1000000000/s", "3", "0", "0.123456789/s", "7/m"]),
        ValueKind.RATES: st.sampled_from(["1:0:1000000000", "0:1/d", "5", "0:0", "3:0"]),
        ValueKind.DURATION: st.sampled_from(["1ms", "1000003ns", "24h", "17s", "1ns"]),
        ValueKind.SIZE: st.sampled_from(["0", "1", "64KiB", "65537", "333"]),
        ValueKind.SHARE: st.sampled_from(["0", "100%", "0.1%", "33.333%", "101%"]),
        ValueKind.CHOICE: st.sampled_from([*parameter.choices, "x"]),
        ValueKind.PATH: st.just("/no/such/file"),
    }
    return units.get(parameter.value, plain) | plain


@st.composite
def expressions(draw: st.DrawFn, kind: str) -> str:
    """Return an expression with real names and keys, and values that are often right."""
    form = draw(st.sampled_from(LANGUAGES[kind].forms))
    keys = [p for p in form.parameters if p.default is None or draw(st.booleans())]
    arguments = ",".join(f"{p.name}={draw(_numbers(p))}" for p in keys)
    return f"{form.name}:{arguments}" if arguments else form.name


@settings(deadline=None, max_examples=300)
@given(st.fixed_dictionaries({kind: expressions(kind) for kind in LANGUAGES}), st.sampled_from([1, 5000, 10**15]))
def test_any_spec_is_a_load_or_one_line(parts: dict[str, str], count: int) -> None:
    """Whatever is combined, there is a first block whose truth is true, or one line of a field."""
    line, field = "", "lengths"
    try:
        workload = Workload(WorkloadSpec(**parts, count=count, duration_ns=3600 * S))  # type: ignore[arg-type]
        for block in islice(workload.blocks(50), 1):
            check(block, workload.methods)
    except GrammarError as error:
        line, field = str(error), error.field
    assert line.isprintable()
    assert field in {*LANGUAGES, "count"}
