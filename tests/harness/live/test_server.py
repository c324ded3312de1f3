"""What the live page's server answers, and to whom."""

import json
import re

import httpx
import pytest

from harness.live.feed import LivePage
from tests.harness.live.feeding import client, events, page

KINDS = {"stall": "The loop freezes.", "errors": "Lines are refused."}
WISH = {"kind": "stall", "duration_ns": 10_000_000_000}


@pytest.fixture(scope="module")
def opened() -> "LivePage":  # type: ignore[misc]
    with page(kinds=KINDS) as served:
        yield served


def origin(served: LivePage) -> str:
    return served.url.rstrip("/")


def token(served: LivePage) -> str:
    with client(served) as asking:
        found = re.search(r'name="harness-token" content="([^"]+)"', asking.get("/").text)
    assert found is not None
    return found[1]


def headers(served: LivePage, **changes: str) -> dict[str, str]:
    named = {"origin": "Origin", "token": "X-Harness-Token", "host": "Host", "site": "Sec-Fetch-Site"}
    wanted = {"origin": origin(served), "token": token(served), **changes}
    return {named[name]: value for name, value in wanted.items()}


def test_nothing_on_the_page_comes_from_elsewhere(opened: LivePage) -> None:
    """The policy allows the page's own script and style only, and neither stands in the page."""
    with client(opened) as asking:
        answer = asking.get("/")
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert "<style" not in answer.text
        assert re.findall(r"<script[^>]*>([^<]*)</script>", answer.text) == [""]
        named = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
        for path in named:
            assert path.startswith(("/", "#", "data:")), path
        for path in ("/live.css", "/live.js", "/chart.js"):
            assert asking.get(path).status_code == 200
            assert not re.search(r"https?://(?!www\.w3\.org)[\w.]", asking.get(path).text)


def test_words_from_outside_are_text() -> None:
    """A name with markup in it is shown as it is."""
    with page(title="<script>alert(1)</script>") as served, client(served) as asking:
        assert "<script>alert" not in asking.get("/").text


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "evil.example:80"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"site": "cross-site"},
        {"token": "wrong"},
        {"token": ""},
    ],
    ids=str,
)
def test_whoever_is_not_the_page_itself_can_switch_nothing_on(opened: LivePage, changes: dict[str, str]) -> None:
    """Another host name, another origin, or no token: 403, and the run hears nothing of it."""
    with client(opened) as asking:
        assert asking.post("/incident", json=WISH, headers=headers(opened, **changes)).status_code == 403
    assert opened.wishes() == []


def test_without_an_origin_nothing_is_switched_on(opened: LivePage) -> None:
    """A browser says where a request comes from; what does not is no browser's page."""
    with client(opened) as asking:
        answer = asking.post("/incident", json=WISH, headers={"X-Harness-Token": token(opened)})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/", "/events", "/live.js"])
@pytest.mark.parametrize("changes", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}], ids=str)
def test_another_site_cannot_read(opened: LivePage, path: str, changes: dict[str, str]) -> None:
    """Neither through a name that points here nor from a page of its own."""
    with client(opened) as asking:
        assert asking.get(path, headers=changes).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_other_methods_are_refused(opened: LivePage, method: str) -> None:
    """Only GET and POST mean anything here; a preflight finds no permission."""
    with client(opened) as asking:
        answer = asking.request(method, "/incident")
    assert answer.status_code == 405
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_each_path_has_its_method(opened: LivePage) -> None:
    """Reading an action, or posting to a document, is refused; what is not there is not found."""
    with client(opened) as asking:
        assert asking.get("/incident").status_code == 405
        assert asking.post("/live.js", headers=headers(opened)).status_code == 405
        assert asking.get("/etc/passwd").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b'{"kind": "fire", "duration_ns": 1}', b'{"kind": ["stall"], "duration_ns": 1}',
        b'{"kind": "stall"}', b'{"kind": "stall", "duration_ns": 0}', b'{"kind": "stall", "duration_ns": true}',
        b'{"kind": "stall", "duration_ns": 1e9}', b'{"kind": "stall", "duration_ns": 3600000000000}',
    ],
)  # fmt: skip
def test_a_wrong_wish_is_refused(opened: LivePage, body: bytes) -> None:
    """Kinds that there are, and durations up to ten minutes, in whole nanoseconds."""
    with client(opened) as asking:
        assert asking.post("/incident", content=body, headers=headers(opened)).status_code == 400
    assert opened.wishes() == []


def test_a_long_body_is_not_read(opened: LivePage) -> None:
    """More than a wish can be long is refused by its announced length."""
    with client(opened) as asking:
        answer = asking.post("/incident", content=json.dumps({"kind": "x" * 2000}), headers=headers(opened))
    assert answer.status_code == 413


def test_a_wish_of_the_page_reaches_the_run(opened: LivePage) -> None:
    """Kind and duration as they were asked for; closing likewise."""
    with client(opened) as asking:
        assert asking.post("/incident", json=WISH, headers=headers(opened)).status_code == 202
        assert asking.post("/close", json={}, headers=headers(opened)).status_code == 202
    wishes: list[object] = []
    while len(wishes) < 2:
        wishes += opened.wishes(1.0)
    assert wishes == [{"trigger": WISH}, {"close": True}]


@pytest.mark.slow
def test_wishes_that_nobody_reads_are_refused_when_there_is_no_more_room() -> None:
    """The server neither waits nor grows."""
    with page(kinds=KINDS) as served, client(served) as asking:
        named = headers(served)
        codes = [asking.post("/incident", json=WISH, headers=named).status_code for _ in range(1500)]
        assert codes[0] == 202
        assert codes[-1] == 503


def test_events_are_numbered_and_begin_with_the_history() -> None:
    """Each event has a number that grows, so that a browser can say what it has seen."""
    with page() as served, events(served) as stream:
        assert stream.next("history")["about"]["title"] == "Load run test"
        assert stream.number == 0
        served.tell({"note": "first"})
        served.tell({"note": "second"})
        assert stream.next("note") == "first"
        assert stream.next("note") == "second"
        assert stream.number == 2


def test_too_many_browsers_are_told_so() -> None:
    """The seventeenth stream is refused while sixteen are open."""
    with page() as served, client(served) as asking:
        streams = [asking.stream("GET", "/events") for _ in range(16)]
        try:
            for each in streams:
                assert each.__enter__().status_code == 200
            assert asking.get("/events").status_code == 503
        finally:
            for each in streams:
                each.__exit__(None, None, None)


def test_the_page_is_served_on_loopback_only(opened: LivePage) -> None:
    """Its address is 127.0.0.1."""
    assert httpx.URL(opened.url).host == "127.0.0.1"
