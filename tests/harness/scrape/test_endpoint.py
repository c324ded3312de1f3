import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.samples import Sample

from harness.deadline import Deadline, DeadlineError
from harness.errors import EndpointError
from harness.exposition.headers import SCRAPE_HEADERS
from harness.scrape import endpoint as module
from harness.scrape import windows
from harness.scrape.disconnects import ClientGoneError, WatchedRegistry
from harness.scrape.endpoint import Endpoint, serve
from harness.scrape.listening import listen


def lines(endpoint: Endpoint) -> dict[str, float]:
    return {sample.name: sample.value for sample in endpoint.page().samples}


def get(endpoint: Endpoint, path: str = "/metrics", method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(endpoint.address, endpoint.port, timeout=20)
    try:
        connection.request(method, path, headers=SCRAPE_HEADERS)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for another thread to note what it did; only a broken promise makes this last."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("lines_in", "Lines", registry=registry).inc(3)
    return registry


@pytest.fixture
def endpoint(registry: CollectorRegistry) -> Iterator[Endpoint]:
    with serve(registry) as endpoint:
        yield endpoint


class Gate:
    """A collector that waits until it is let through, and one that can be told to raise."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Semaphore(0), threading.Event()
        self.error: Exception | None = None

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> list[Metric]:
        self.entered.release()
        if self.error:
            raise self.error
        assert self.open.wait(20)
        return []


def test_the_page_shows_the_given_registry_and_nothing_else(endpoint: Endpoint) -> None:
    """What is served is the registry handed over, not the process-wide one with its python_info."""
    shown = lines(endpoint)
    assert shown.pop("lines_in_total") == 3
    assert set(shown) == {"lines_in_created"}


def test_each_scrape_leaves_its_window(endpoint: Endpoint) -> None:
    """A window lies inside the time the client waited, and tells the bytes sent and the status."""
    before = time.monotonic_ns()
    status, body = get(endpoint)
    eventually(lambda: bool(endpoint.windows))
    (window,) = endpoint.windows
    assert before < window.start_ns < window.end_ns < time.monotonic_ns()
    assert (window.status, window.size_bytes) == (status, len(body)) == (200, len(body))
    assert window.duration_ns == window.end_ns - window.start_ns
    assert (endpoint.served, endpoint.failed) == (1, 0)


def test_the_times_at_which_a_page_is_made_are_told(registry: CollectorRegistry) -> None:
    """One that is being made lasts until now; one that ended before the moment asked for is not told."""
    asked, answer = threading.Event(), threading.Event()

    class Slow:
        def collect(self) -> Iterator[Metric]:
            asked.set()
            answer.wait(30)
            yield from ()

    registry.register(Slow())
    with serve(registry) as endpoint:
        assert endpoint.rendering_since(0) == []
        began = time.monotonic_ns()
        scrape = threading.Thread(target=get, args=(endpoint,))
        scrape.start()
        assert asked.wait(30)
        [(first, until)] = endpoint.rendering_since(began)
        assert began <= first < until <= time.monotonic_ns()
        answer.set()
        scrape.join()
        eventually(lambda: len(endpoint.windows) == 1)
        [(begin, end)] = endpoint.rendering_since(began)
        assert begin == first
        assert end >= until
        assert endpoint.rendering_since(end) == []


def test_our_own_questions_are_no_scrapes(endpoint: Endpoint) -> None:
    """Fetching the page for the audit, or timing it at rest, leaves no window among the scrapes."""
    endpoint.page()
    durations = endpoint.rest_durations_ns(repeats=4)
    assert len(durations) == 4
    assert all(duration > 0 for duration in durations)
    assert endpoint.windows == []
    assert endpoint.served == 0


def test_only_metrics_are_served(endpoint: Endpoint) -> None:
    """The root leads to the page; everything else is not found; only GET is answered with a page."""
    status, body = get(endpoint, "/")
    assert status == 200
    assert b"/metrics" in body
    assert get(endpoint, "/metric")[0] == 404
    assert get(endpoint, "/metrics/x")[0] == 404
    assert get(endpoint, method="POST")[0] == 405


def test_a_collector_that_raises_is_told_and_survived(registry: CollectorRegistry) -> None:
    """The scraper gets status 500 and the reason, the window counts as failed, and the next scrape works again."""
    gate = Gate()
    registry.register(gate)
    gate.open.set()
    gate.error = RuntimeError("dictionary changed size during iteration")
    with serve(registry) as endpoint:
        status, body = get(endpoint)
        assert status == 500
        assert b"RuntimeError: dictionary changed size" in body
        with pytest.raises(EndpointError, match=r"answered 500 .*dictionary changed size"):
            endpoint.page()
        gate.error = None
        assert get(endpoint)[0] == 200
        eventually(lambda: endpoint.served == 2)
        assert [window.status for window in endpoint.windows] == [500, 200]
        assert endpoint.failed == 1


def test_scrapes_are_served_side_by_side(registry: CollectorRegistry) -> None:
    """Several scrapers are served at once: all are inside the collector before the first may leave it."""
    gate = Gate()
    registry.register(gate)
    with serve(registry) as endpoint:
        statuses: list[int] = []
        clients = [threading.Thread(target=lambda: statuses.append(get(endpoint)[0])) for _ in range(5)]
        for client in clients:
            client.start()
        assert all(gate.entered.acquire(timeout=20) for _ in clients)
        gate.open.set()
        for client in clients:
            client.join()
        assert statuses == [200] * 5
        eventually(lambda: endpoint.served == 5)


class Many(Gate):
    """A collector of many samples, in one family or in a family each."""

    def __init__(self, families: int) -> None:
        super().__init__()
        self.families, self.written = families, 0

    def collect(self) -> list[Metric]:
        super().collect()
        made = []
        for number in range(self.families):
            family = GaugeMetricFamily(f"many_{number}", "Many", labels=["n"])
            family.samples = [Sample(f"many_{number}", {"n": str(n)}, 1.0) for n in range(6000 // self.families)]
            made.append(family)
        return made


@pytest.mark.parametrize("families", [1, 6000])
def test_a_page_that_nobody_waits_for_is_not_finished(families: int) -> None:
    """When the client is gone the page is given up, and told as such: pages too slow for a scraper do not pile up."""
    registry, many = CollectorRegistry(), Many(families)
    registry.register(many)
    with serve(registry) as endpoint:
        with socket.create_connection((endpoint.address, endpoint.port)) as client:
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert many.entered.acquire(timeout=20)
        many.open.set()
        eventually(lambda: bool(endpoint.windows))
        (window,) = endpoint.windows
        assert (window.status, window.size_bytes) == (windows.CLIENT_GONE, 0)
        assert (endpoint.served, endpoint.failed) == (1, 1)
        # Whoever waits gets all of it.
        assert len(endpoint.page().samples) == 6000


def test_watching_the_client_changes_nothing_on_the_page(registry: CollectorRegistry) -> None:
    """A large page is the same watched and unwatched, in both formats, and when only some names are asked for."""
    many = Many(2)
    many.open.set()
    registry.register(many)
    client, other = socket.socketpair()
    with client, other:
        watched = WatchedRegistry(registry, client)
        for generate in (generate_latest, generate_openmetrics):
            assert generate(watched) == generate(registry)  # type: ignore[arg-type]
        some = watched.restricted_registry(["lines_in_total"])
        assert generate_latest(some) == generate_latest(registry.restricted_registry(["lines_in_total"]))  # type: ignore[arg-type]
        other.close()
        with pytest.raises(ClientGoneError):
            generate_latest(watched)  # type: ignore[arg-type]


def test_a_scrape_waits_for_the_harness_s_own_page() -> None:
    """What the page takes at rest is measured without a scrape that slows it down; the scrape comes afterwards."""
    registry, gate = CollectorRegistry(), Gate()
    registry.register(gate)
    with serve(registry) as endpoint:
        own = threading.Thread(target=endpoint.page)
        own.start()
        assert gate.entered.acquire(timeout=20)
        scrape = threading.Thread(target=get, args=(endpoint,))
        scrape.start()
        eventually(lambda: len(endpoint._server._open) == 2)
        with socket.create_connection((endpoint.address, endpoint.port)) as impatient:
            impatient.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            eventually(lambda: len(endpoint._server._open) == 3)
        eventually(lambda: [window.status for window in endpoint.windows] == [windows.CLIENT_GONE])
        gate.open.set()
        own.join()
        scrape.join()
        begun, made = endpoint.take()
        assert len(begun) == len(made) == 2
        assert begun[1] >= made[0]


def test_a_page_that_hangs_can_be_given_up(registry: CollectorRegistry) -> None:
    """Reading the page ends with the deadline, or with an interruption, whatever the collector does."""
    gate = Gate()
    registry.register(gate)
    with serve(registry) as endpoint:
        try:
            with pytest.raises(DeadlineError, match=r"/metrics was not read \(interrupted\)"):
                endpoint.page(Deadline(600, lambda: 0.0, now_s=lambda: 100.0))
            with pytest.raises(DeadlineError, match=r"/metrics was not read \(it took longer than 0 s\)"):
                endpoint.rest_durations_ns(1, Deadline(0))
        finally:
            gate.open.set()


def test_moments_are_told_once_and_in_order(endpoint: Endpoint) -> None:
    """Each page leaves the moment at which it was begun and the one at which it was made, own pages included."""
    before = time.monotonic_ns()
    get(endpoint)
    endpoint.page()
    (begun, again), (made, last) = endpoint.take()
    assert before < begun <= made <= again <= last < time.monotonic_ns()
    assert endpoint.take() == ([], [])


def test_clients_that_stall_hold_up_nobody(endpoint: Endpoint, capfd: pytest.CaptureFixture[str]) -> None:
    """Connections that say nothing, half a request, or nonsense stop neither a scrape nor the end, silently."""
    where = (endpoint.address, endpoint.port)
    stalled = [socket.create_connection(where) for _ in range(3)]
    stalled[1].sendall(b"GET /metrics HT")
    stalled[2].sendall(b"\x00\xff nonsense\r\n\r\n")
    assert get(endpoint)[0] == 200
    began = time.monotonic()
    endpoint.stop()
    assert time.monotonic() - began < module.SILENCE_S  # it did not wait for them to give up
    for connection in stalled:
        connection.close()
    assert capfd.readouterr() == ("", "")


def test_too_many_connections_are_turned_away(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of connections is refused beyond a limit instead of taking a thread each."""
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 1)
    with socket.create_connection((endpoint.address, endpoint.port)) as first:
        eventually(lambda: len(endpoint._server._open) == 1)
        with socket.create_connection((endpoint.address, endpoint.port), timeout=20) as second:
            assert second.recv(1) == b""
        first.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert first.recv(100).startswith(b"HTTP/1.0 200")


def test_stop_frees_the_port_and_may_be_called_again(registry: CollectorRegistry) -> None:
    """After stop() the same port can be served at once, and nothing answers in between."""
    first = serve(registry)
    first.stop()
    first.stop()
    with pytest.raises(EndpointError, match="does not answer"):
        first.page()
    with serve(registry, port=first.port) as second:
        assert second.port == first.port


def test_a_client_that_is_connected_already_gets_its_page_from_one_that_stops_with_patience(
    registry: CollectorRegistry,
) -> None:
    """A worker that shares its socket may end between a scraper's connection and its request."""
    endpoint = serve(registry)
    with socket.create_connection((endpoint.address, endpoint.port)) as client:
        deadline = time.monotonic() + 30
        while not endpoint._server._open:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        stopping = threading.Thread(target=endpoint.stop, args=(30.0,))
        stopping.start()
        # It accepts no others from then on.
        while endpoint._thread.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert client.makefile("rb").readline().split()[1] == b"200"
    stopping.join(30)
    assert not stopping.is_alive()
    assert [window.status for window in endpoint.windows] == [200]


def test_processes_that_serve_on_one_socket_share_its_connections(registry: CollectorRegistry) -> None:
    """Whichever of them takes one answers it; when one ends, the others go on."""
    listener = listen("127.0.0.1", 0)
    first, second = serve(registry, listener=listener), serve(registry, listener=listener.dup())
    assert first.port == second.port
    for _ in range(10):
        first.page()
    first.stop(30.0)
    assert second.page().samples
    second.stop()


def test_windows_stay_bounded(monkeypatch: pytest.MonkeyPatch, registry: CollectorRegistry) -> None:
    """A long run keeps the latest windows and still counts them all."""
    monkeypatch.setattr(windows, "MAX_WINDOWS", 3)
    with serve(registry) as endpoint:
        for _ in range(5):
            get(endpoint)
        eventually(lambda: endpoint.served == 5)
        assert len(endpoint.windows) == 3


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6_is_written_in_brackets(registry: CollectorRegistry) -> None:
    """An IPv6 address is served and its URL can be opened."""
    try:
        endpoint = serve(registry, "::1")
    except EndpointError:
        pytest.skip("no IPv6 loopback here")
    with endpoint:
        assert endpoint.url.startswith("http://[::1]:")
        assert lines(endpoint)["lines_in_total"] == 3
