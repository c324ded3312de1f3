"""The tour through all incidents, and a demo with incidents."""

from itertools import pairwise

import pytest

from harness.errors import UsageError
from harness.incidents.triggers import Triggers
from harness.load.pump import Snapshot
from harness.run.demo import DemoSpec, show
from harness.run.tour import tour
from workloads.incidents import KINDS

pytestmark = pytest.mark.system

S = 10**9
SHORT = {"arrivals": "constant:50/s", "service_time": "1ms", "port": 0, "instrument": "prometheus-client"}


class Hearing:
    """Keeps what a demo says, with the progress at that time; switches on what it is told to."""

    def __init__(self, triggers: Triggers | None = None, kind: str = "") -> None:
        self.said: list[str] = []
        self._triggers, self._kind = triggers, kind

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
        if self._triggers is not None and self._kind in self._triggers.kinds:
            self._triggers.trigger(self._kind, S // 10)
            self._kind = ""


@pytest.fixture(autouse=True)
def _no_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_BIN", "/no/such/prometheus")


@pytest.mark.parametrize("length_ns", [600 * S, 3 * S, 1])
def test_a_tour_has_every_incident_once_and_none_at_the_same_time(length_ns: int) -> None:
    """Each is over before the next begins, and the last one before the end."""
    incidents = tour(length_ns)
    assert sorted(each.kind for each in incidents) == sorted(KINDS)
    for one, other in pairwise(incidents):
        assert one.end_ns < other.start_ns
    assert incidents[-1].end_ns < max(length_ns, 20)
    if length_ns == 600 * S:
        assert [each.start_ns // S for each in incidents] == [30 + 60 * number for number in range(9)]
        assert {each.duration_ns // S for each in incidents} == {0, 30}


def test_the_tour_explains_each_incident_and_ends_by_itself() -> None:
    """A line for each, in their order, with what is to be seen and the alert."""
    hearing = Hearing()
    driven = show(DemoSpec(**SHORT, tour="3s"), hearing)
    told = [line for line in hearing.said if "Alert:" in line]
    assert [line.split(":")[0].split(" ")[0] for line in told] == [each.kind for each in tour(3 * S)]
    for line, incident in zip(told, tour(3 * S), strict=True):
        assert KINDS[incident.kind].shows in line
        assert KINDS[incident.kind].alert in line
    assert driven.ledger.offered > 100
    assert not driven.interrupted


@pytest.mark.parametrize("more", [{"duration": "5s"}, {"count": 5}, {"incidents": ("stall@1s+1s",)}])
def test_a_tour_has_no_other_end_and_no_other_incidents(more: dict[str, object]) -> None:
    """One line that names the field."""
    with pytest.raises(UsageError, match="ends by itself") as caught:
        show(DemoSpec(**SHORT, tour="3s", **more), Hearing())  # type: ignore[arg-type]
    assert caught.value.field == "tour"


def test_a_demo_has_scheduled_incidents_and_says_when_they_begin() -> None:
    """Lines are refused as in a run."""
    hearing = Hearing()
    driven = show(DemoSpec(**SHORT, errors="0", count=100, incidents=("errors@500ms+1s", "restart@1s")), hearing)
    assert driven.ledger.offered == 100
    assert 5 < driven.ledger.failed < 45
    assert [line.split(" ")[0].rstrip(":") for line in hearing.said if "Alert:" in line] == ["errors", "restart"]


@pytest.mark.parametrize("kind", ["silence", "restart"])
def test_incidents_can_be_switched_on_while_a_demo_goes_on(kind: str) -> None:
    """Each that begins is explained, and none is taken any more when the demo is over."""
    triggers = Triggers()
    hearing = Hearing(triggers, kind)
    show(DemoSpec(**SHORT, errors="0", duration="1500ms"), hearing, triggers)
    assert [line.split(" ")[0].rstrip(":") for line in hearing.said if "Alert:" in line] == [kind]
    with pytest.raises(UsageError, match="the demo is over"):
        triggers.trigger("stall", S)
