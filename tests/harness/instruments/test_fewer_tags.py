"""Views may have fewer tags than a line has: what the cost law by tags is measured on."""

from dataclasses import replace

import pytest
from prometheus_client import generate_latest

from harness.errors import InstrumentError
from harness.exposition.page import parse_page
from harness.instruments import BUILT_IN, create
from harness.views import QUICKSTART_VIEWS, TAG_KEYS, Tags
from tests.harness.instruments.pages import record

RECORDING = [name for name in BUILT_IN if name != "none"]


@pytest.mark.parametrize("count", range(len(TAG_KEYS)))
@pytest.mark.parametrize("name", RECORDING)
def test_a_view_shows_the_tags_it_has_and_counts_every_line(name: str, count: int) -> None:
    """Each view has only the labels of its keys, and no line is lost by it, refused ones included."""
    keys = TAG_KEYS[:count]
    instrument = create(name, tuple(replace(view, tag_keys=keys) for view in QUICKSTART_VIEWS))
    try:
        for tags in (Tags("a"), Tags("b"), Tags("a").refused("nul")):
            record(instrument, 5 * [(1.0, 7, tags)])
        samples = parse_page(generate_latest(instrument.registry).decode()).samples
    finally:
        instrument.close()
    labels = {label for sample in samples for label in sample.labels} - {"le"}
    # A tag without a value may be left out or empty, never one that the view does not have.
    assert labels <= set(keys)
    assert {"method"} & set(keys) <= labels
    counted = sum(sample.value for sample in samples if sample.name == "oc_python_demo_latency_count")
    lines = sum(s.value for s in samples if s.name.removesuffix("_total") == "oc_python_demo_lines_in")
    refused = sum(s.value for s in samples if s.name.removesuffix("_total") == "oc_python_demo_errors")
    assert (counted, lines, refused) == (15, 15, 5)


@pytest.mark.parametrize("name", ["prometheus-client", "prometheus-client-cached", "reference"])
def test_views_of_unlike_tags_are_refused(name: str) -> None:
    """Rather than recorded under the wrong labels."""
    views = (replace(QUICKSTART_VIEWS[0], tag_keys=("status",)), *QUICKSTART_VIEWS[1:])
    with pytest.raises(InstrumentError, match="first few of the tag keys"):
        create(name, views)
