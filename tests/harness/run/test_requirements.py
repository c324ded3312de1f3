import contextlib
import copy
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.latency.histogram import Histogram
from harness.run.requirements import check, parse_requirement
from workloads.errors import UsageError


def latency(values):
    histogram = Histogram()
    histogram.record(np.array(values, dtype=np.int64))
    summary = histogram.summary()
    figures = {key: getattr(summary, key) for key in ("count", "p50", "p90", "p99", "p999", "max", "mean")}
    return {**figures, "hdr": histogram.encode()}


RESULT = {
    "ledger": {
        "offered": 700,
        "processed": 690,
        "failed": 7,
        "dropped": 3,
        "refused": {"nul": 4, "not_utf8": 1},
        "raised": {"ValueError": 2},
    },
    "rate": {"target": 1000.0, "achieved": 995.0},
    "lag_ns": latency([100] * 700),
    "lateness_ns": latency([40] * 700),
    "service_ns": latency([1_500_000] * 690 + [3_000_000] * 10),
    "response_ns": latency(list(range(1_000_000, 1_700_000, 1_000))),
    "self_cost_ns_per_line": 240.0,
    "scrapes": {"count": 10, "failed": 0, "duration_ms": {"p50": 2.5, "max": 8.0, "mean": 3.0}},
    "audit": {"findings": [{"name": "sum-fell"}]},
}
EMPTY = {
    "ledger": dict.fromkeys(("offered", "processed", "failed", "dropped"), 0),
    "rate": {"target": None, "achieved": None},
    "lag_ns": latency([]),
    "lateness_ns": None,
    "service_ns": latency([]),
    "response_ns": latency([]),
    "scrapes": {"count": 0, "failed": 0, "duration_ms": {"p50": None}},
    "audit": {},
}


@pytest.mark.parametrize(
    ("text", "held", "actual"),
    [
        ("service.max<=3ms", True, 3.0),
        ("service.max<3ms", False, 3.0),
        ("service.p50<2ms", True, 1.5),
        ("service.p50 < 2000us", True, 1500),
        ("response.mean<1.4ms", True, 1.3495),
        ("lag.p99<100ns", False, 100),
        ("lateness.p99<=40ns", True, 40),
        ("lag.p99==100ns", True, 100),
        ("lag.p999<1us", True, 0.1),
        ("lag.p99.9<1us", True, 0.1),
        ("lag.p100<1us", True, 0.1),
        ("response.p75<1.6ms", True, 1.525),
        ("lag.count>=700", True, 700),
        ("rate.achieved>=990", True, 995),
        ("rate.achieved>1k/s", False, 995),
        ("rate.error<1%", True, 0.5),
        ("rate.error<0.004", False, 0.005),
        ("dropped==0", False, 3),
        ("dropped<=3", True, 3),
        ("dropped!=3", False, 3),
        ("failed<=1%", True, 1.0),
        ("failed<1%", False, 1.0),
        ("refused==5", True, 5),
        ("raised==0", False, 2),
        ("processed>0.5k", True, 690),
        ("offered==700", True, 700),
        ("scrapes.failed==0", True, 0),
        ("scrapes.failed<1%", True, 0.0),
        ("scrapes.count>=10", True, 10),
        ("scrapes.max<10ms", True, 8.0),
        ("self_cost<=500ns", True, 240),
        ("findings==0", False, 1),
    ],
)
def test_a_requirement_says_whether_it_held_and_what_was_found(text, held, actual):
    """Each quantity is compared in its own unit, which is also that of the value found."""
    [outcome] = check([text], RESULT)
    assert (outcome.text, outcome.held) == (text, held)
    assert outcome.actual == pytest.approx(actual, rel=2e-3)


@pytest.mark.parametrize(
    "text",
    [
        "lag.p99<1s", "service.max>=1ns", "response.mean<1s", "response.p42<1s", "rate.achieved>=1", "rate.error<1%",
        "failed<1%", "scrapes.failed<1%", "scrapes.p50<1s", "self_cost<1s", "findings==0", "refused==0",
    ],
)  # fmt: skip
def test_no_data_means_failed(text):
    """A requirement on something that was not measured does not hold, however lenient it is."""
    for result in (EMPTY, {}):
        [outcome] = check([text], result)
        assert outcome.held is False
        assert outcome.actual is None


def test_not_a_number_is_no_data():
    """NaN holds against nothing, `!=` included."""
    result = copy.deepcopy(RESULT)
    result["rate"]["achieved"] = float("nan")
    [outcome] = check(["rate.achieved!=5"], result)
    assert (outcome.held, outcome.actual) == (False, None)


@pytest.mark.parametrize(
    "text",
    [
        "", "response.p99", "<2ms", "response.p123<1s", "response.p99<", "response.p99=2ms", "response.p99<<2ms",
        "lag<1ms", "response.p99<2", "response.p99<2 parsecs", "p99<2ms", "response.p<2ms", "response.p101<2ms",
        "response.p99.<2ms", "service.p12345678<1ms", "rate<5", "rate.error<fast", "dropped==none", "dropped==-1",
        "failed<101%", "scrapes.p99<1ms", "scrapes==1", "response.p99<1ms and lag.max<1ms", "a.b.c<1", "failed<1.5",
        "lag.max<0s",
    ],
)  # fmt: skip
def test_a_malformed_requirement_is_one_line_that_names_the_field(text):
    """What cannot be understood is a usage error that quotes the text."""
    with pytest.raises(UsageError, match=r".") as caught:
        parse_requirement(text)
    assert caught.value.field == "require"
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_documented_examples_are_requirements():
    """Every example in the grammar's table is understood."""
    page = Path(__file__).parents[3] / "docs" / "driving.md"
    table = page.read_text(encoding="utf-8").partition("## Requirements")[2].partition("## ")[0]
    examples = [text for row in re.findall(r"^\|.*\|([^|]*)\|$", table, re.M) for text in re.findall(r"`([^`]+)`", row)]
    assert len(examples) >= 9
    for example in examples:
        parse_requirement(example)


@given(st.text(max_size=30) | st.text("respone.p9lag<>=!ms0123% ", max_size=20))
def test_no_text_does_worse_than_a_usage_error(text):
    """Any text is either a requirement or a usage error, and a requirement can be checked on any result."""
    with contextlib.suppress(UsageError):
        requirement = parse_requirement(text)
        check([requirement], RESULT)
        check([requirement], EMPTY)


@given(
    st.sampled_from(["lag", "service", "response"]),
    st.sampled_from(["p50", "p99", "p99.9", "max", "mean"]),
    st.integers(1, 10**7),
    st.sampled_from(["", " ", "  "]),
)
def test_opposite_operators_disagree(group, figure, limit_ns, blank):
    """For every limit exactly one of < and >= holds, and of <= and >, and of == and !=."""
    for one, other in (("<", ">="), ("<=", ">"), ("==", "!=")):
        texts = [f"{group}.{figure}{blank}{sign}{blank}{limit_ns}ns" for sign in (one, other)]
        first, second = check(texts, RESULT)
        assert first.held is not second.held
        assert first.actual == second.actual
