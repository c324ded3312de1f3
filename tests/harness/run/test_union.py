"""Several workers send the load of one, which is proven from what each says it made."""

import pytest

from harness.run.union import Made, prove_union
from workloads.workload import Workload, WorkloadSpec

ARRIVALS = [
    "constant:rate=1000",
    "poisson:rate=1000",
    "ramp:from=500,to=1500,over=2s",
    "steps:rates=500:1500",
    "sine:rate=1000",
    "burst:rate=1000",
    "day:rate=1000",
    "max",
]


def workload(arrivals="poisson:rate=1000", **more):
    return Workload(WorkloadSpec(arrivals=arrivals, errors="5%", series="7", **{"count": 2_000, **more}))


def made(whole, n, blocks=None):
    """Return what n workers make, each of them at most so many blocks."""
    found = []
    for k in range(n):
        shard = whole.shard(k, n)
        for i, _ in enumerate(shard.blocks(512), 1):
            if i == blocks:
                break
        found.append(Made(shard.made, shard.digest))
    return found


@pytest.mark.parametrize("n", [1, 2, 3, 7])
@pytest.mark.parametrize("arrivals", ARRIVALS)
def test_the_union_has_the_digest_of_one_worker(arrivals, n):
    """For each shape of arrivals, with errors and several series."""
    whole = workload(arrivals)
    for _ in whole.blocks(512):
        pass
    union = prove_union(workload(arrivals), made(workload(arrivals), n))
    assert (union.digest, union.others) == (whole.digest, ())


@pytest.mark.parametrize("n", [1, 2, 3, 7])
@pytest.mark.parametrize("arrivals", ARRIVALS)
def test_the_union_has_the_lines_and_due_times_of_one_worker(arrivals, n):
    """Line by line: nothing is sent twice, and nothing is missing."""

    def sent(load):
        return [
            (int(due), line, tag)
            for b in load.blocks()
            for due, line, tag in zip(b.due_ns, b.lines, b.tags, strict=True)
        ]

    whole = workload(arrivals)
    parts = [sent(whole.shard(k, n)) for k in range(n)]
    together = [parts[i % n][i // n] for i in range(2_000)]
    assert together == sent(workload(arrivals))


def test_a_worker_that_sent_other_lines_is_named():
    """One of another seed among them."""
    right = made(workload(), 3)
    wrong = made(workload(seed=2), 3)
    assert prove_union(workload(), [right[0], wrong[1], right[2]]).others == (1,)
    assert prove_union(workload(), [right[0], Made(right[1].lines - 512, right[1].digest), right[2]]).others == (1,)


def test_a_run_that_was_stopped_is_proven_as_far_as_it_went():
    """Its digest is no whole's, and still the same for the same lines."""
    parts = made(workload(), 2, blocks=1)
    union = prove_union(workload(), parts)
    assert union.others == ()
    assert union == prove_union(workload(), made(workload(), 2, blocks=1))
    assert union.digest != prove_union(workload(), made(workload(), 2)).digest
    assert prove_union(workload(), [parts[0], Made(0, workload().shard(1, 2).digest)]).others == ()


def test_a_lost_worker_is_no_liar():
    """Of what it made nothing is known."""
    parts = made(workload(), 3)
    assert prove_union(workload(), [parts[0], None, parts[2]]).others == ()
