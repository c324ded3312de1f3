"""What nobody from outside may do: connect, inject, read what is temporary, or find secrets in a result."""

import io
import json
import os
import re
import signal
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from rich.console import Console

from harness.history.store import Store
from harness.report.contents import sections_of
from harness.report.essentials import essentials
from harness.report.page import render
from harness.report.tables import Bullets, Note, ReportTable, Section, TableCell
from harness.report.writers.github import annotation, without_commands, write_summary
from harness.report.writers.markdown import write_markdown
from harness.report.writers.plain import write_plain
from harness.report.writers.terminal import write_terminal
from tests.harness.cli.commands import PATIENCE_S, Command, running
from tests.harness.history.makers import HERE, START, experiment, overhead
from tests.harness.live.feeding import client, page
from tests.harness.report.checks import parse, problems
from tests.harness.report.test_page import hostile_report

pytestmark = pytest.mark.system

LOOPBACK = {"127.0.0.1", "::1"}
HOSTILE = (
    "::error::x\n::stop-commands::y\r\n##[add-mask]z \x1b]0;t\x07\x1b[2J\x9b31m <script>alert(1)</script>"
    "<img src=x onerror=alert(1)> [a](javascript:alert(1)) ![b](//evil.example/c) | `d` &lt; %0A @e #1 \u202e"
    '"} or vector(1) # \\ {{ printf "%s" }} $(id) ;id ../../f'
)
CANARY = "c4nary-of-this-test"
SECRETS = {
    "GITHUB_TOKEN": CANARY,
    "AWS_SECRET_ACCESS_KEY": CANARY,
    "DATABASE_URL": f"postgres://user:{CANARY}@127.0.0.1/x",
    "PIP_INDEX_URL": f"https://user:{CANARY}@127.0.0.1/simple",
    "HTTPS_PROXY": f"http://user:{CANARY}@127.0.0.1:9",
    "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={CANARY}",
    "HARNESS_TEST": CANARY,
}
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
SHORT = ["run", "--duration", "60s", "--arrivals", "constant:rate=100", "--instrument", "prometheus-client"]


def listening(command: Command) -> set[tuple[str, int]]:
    """Return the addresses at which a command and all processes below it wait for others."""
    found: set[tuple[str, int]] = set()
    try:
        parent = psutil.Process(command.process.pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return found
    for process in family:
        try:
            for connection in process.net_connections("inet"):
                waits = connection.status == psutil.CONN_LISTEN
                if waits or (connection.type == socket.SOCK_DGRAM and connection.laddr and not connection.raddr):
                    found.add((connection.laddr.ip, connection.laddr.port))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def watched(command: Command, enough: Callable[[set[tuple[str, int]]], bool]) -> set[tuple[str, int]]:
    """Return every address seen until there are enough of them."""
    seen: set[tuple[str, int]] = set()
    assert command.wait_for(lambda: enough(seen.update(listening(command)) or seen), "it listens"), (
        seen,
        command.told,
    )
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "least"),
    [
        ([*SHORT, "--scraper", "builtin"], 1),
        ([*SHORT, "--scraper", "builtin", "--live"], 2),
        ([*SHORT, "--scraper", "builtin", "--live", "--workers", "2"], 3),
        pytest.param([*SHORT, "--scraper", "prometheus"], 2, marks=pytest.mark.prometheus),
        pytest.param(["demo", "--port", "0"], 3, marks=pytest.mark.prometheus),
        ([*SHORT, "--scraper", "builtin", "--cluster", "local", "--workers", "2"], 5),
    ],
    ids=["builtin", "live", "workers", "prometheus", "demo", "dask"],
)
def test_nothing_waits_for_others_beyond_this_machine(tmp_path: Path, arguments: list[str], least: int) -> None:
    """Every socket of a command and of what it starts is bound to loopback, from its start to its last one."""
    if "--cluster" in arguments:
        pytest.importorskip("distributed")
    with running(tmp_path, arguments) as command:
        seen = watched(command, lambda seen: len(seen) >= least)
        assert {address for address, _ in seen} <= LOOPBACK
        command.interrupt(signal.SIGINT)
        command.ended()


@pytest.mark.parametrize(("address", "expected"), [((), "127.0.0.1"), (("--address", "0.0.0.0"), "0.0.0.0")])
def test_every_interface_is_served_only_when_told(tmp_path: Path, address: tuple[str, ...], expected: str) -> None:
    """The quickstart's page is for this machine, unless its address says otherwise."""
    (tmp_path / "lines").write_text("a line\n")
    arguments = ["repl", "lines", "--port", "0", "--linger", "60s", "--instrument", "prometheus-client", *address]
    with running(tmp_path, arguments) as command:
        assert {ip for ip, _ in watched(command, bool)} == {expected}
        command.interrupt(signal.SIGINT)
        command.ended()


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0", "127.0.0.2",
        "[::ffff:127.0.0.1]",
        "127.0.0.1 evil.example", "2130706433", "[", "",
    ],
)  # fmt: skip
def test_the_live_page_answers_to_names_of_this_machine_only(host: str) -> None:
    """A name that is made to lead here (DNS rebinding) is answered with 403, whatever it looks like."""
    with page() as served, client(served) as asking:
        for path in ("/", "/events", "/live.js", "/nothing"):
            answer = asking.get(path, headers={"Host": host})
            assert answer.status_code == 403
            assert "token" not in answer.text


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "get", "<script>alert(1)</script>"])
def test_the_live_page_knows_two_methods(method: str) -> None:
    """Every other one is refused, and nothing of the request comes back as markup."""
    with page() as served:
        where = httpx.URL(served.url)
        with socket.create_connection((where.host, where.port or 0), timeout=PATIENCE_S) as asking:
            asking.sendall(f"{method} / HTTP/1.1\r\nHost: {where.host}:{where.port}\r\n\r\n".encode())
            answer = b"".join(iter(lambda: asking.recv(4096), b"")).decode()
    assert re.match(r"HTTP/1\.\d (405|501|400) ", answer), answer
    assert "<script" not in answer
    assert "Access-Control" not in answer


def hostile_sections() -> list[Section]:
    """All sections of a report with the hostile text wherever text comes from outside, and the simplest parts."""
    cell = TableCell(HOSTILE, HOSTILE)
    return [
        *sections_of(hostile_report(HOSTILE)),
        Section("x", HOSTILE, (Note(HOSTILE), Note(f"- {HOSTILE}"), Bullets(((HOSTILE, cell), ("", cell))))),
    ]


def tables(section: Section) -> list[ReportTable]:
    return list(section.tables())


@pytest.mark.parametrize("width", [40, 120, 2000])
def test_text_on_a_terminal_is_text(width: int) -> None:
    """No control character, and in a job's log no workflow command, wherever a line is broken."""
    for section in hostile_sections():
        with io.StringIO() as out:
            Console(file=out, width=width, color_system=None).print(write_terminal([section]))
            text = out.getvalue()
        assert not CONTROLS.search(text)
        harmless_in_a_log(text)


def harmless_in_a_log(text: str) -> None:
    log = without_commands(text)
    assert not re.search(r"^\s*::|##\[", log, re.MULTILINE)
    assert len(log.splitlines()) == len(text.splitlines())


def test_plain_lines_are_text() -> None:
    """Each line is one line, without control characters."""
    for section in hostile_sections():
        for line in write_plain([section]):
            assert line.isprintable() or set(re.findall(r"[^ -~]", line)) <= {"\u202f"} | {
                letter for letter in line if letter.isprintable()
            }
            harmless_in_a_log(line)


def test_markdown_of_hostile_text_is_text() -> None:
    """No tag, link, picture, mention, list or further cell; a summary of GitHub is the same."""
    for section in hostile_sections():
        for text in (write_markdown([section]), write_summary(section) if section.parts else ""):
            bare = re.sub(r"\\.", "", text)
            assert not re.search(r"[<>`@&\[\]]|!\[|://", bare), bare
            assert not CONTROLS.search(text)
        for table in tables(section):
            rows = [re.sub(r"\\.", "", line) for line in write_markdown([table]).splitlines() if line.startswith("|")]
            assert {row.count("|") for row in rows} <= {len(table.columns) + 1}


def test_the_beginning_of_a_line_makes_no_list_of_it() -> None:
    """Nor a heading or a rule."""
    for words in ("- a", "+ a", "1. a", "12) a", "---", "===", "# a", "> a", "\t- a"):
        (line,) = write_markdown([Note(words)]).splitlines()
        assert re.match(r"\d*\\", line), line
    assert write_markdown([Note("1.5 µs and -1")]) == "1.5 µs and -1\n"


def test_a_page_of_hostile_text_is_a_page() -> None:
    """One script, that of the page, and no element or attribute that acts."""
    text = render(hostile_report(HOSTILE))
    assert problems(text) == []
    root = parse(text)
    assert len(root.all("script")) == 1
    assert not root.all("img")
    assert not [name for node in root.all() for name in node.attributes if name.startswith("on")]


def test_the_live_page_shows_names_as_text() -> None:
    """What a run is called and what it shows is text in the page."""
    with page(title=HOSTILE, kinds={"stall": HOSTILE}) as served, client(served) as asking:
        root = parse(asking.get("/").text)
    assert not root.all("img")
    assert {(node.text or "").strip() for node in root.all("script")} == {""}


def test_the_console_has_no_place_for_markup() -> None:
    """What Prometheus answers is put into the console as text, and the template takes nothing from it."""
    text = (Path(__file__).parents[1] / "harness" / "dashboards" / "console.html").read_text(encoding="utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|srcdoc|javascript:", text
    )
    assert "{{" not in text
    assert "textContent" in text


def test_an_annotation_is_one_command() -> None:
    """Neither title nor message ends it or begins another."""
    text = annotation("error", HOSTILE, HOSTILE)
    assert len(text.splitlines()) == 1
    assert text.startswith("::error title=%3A%3Aerror%3A%3Ax")


@pytest.fixture
def hostile_store(tmp_path: Path) -> Store:
    """A history whose documents hold the hostile text as label, name and version."""
    store = Store(tmp_path / "runs")
    print_as = {**HERE, "versions": {HOSTILE: HOSTILE}}
    for hour, ratio in enumerate([2.0] * 8 + [2.6]):
        document = {"experiments": [experiment(ratio, head=HOSTILE), *overhead(2.0)["experiments"]]}
        store.save(
            "overhead", document, fingerprint=print_as, label=HOSTILE, created=START.replace(hour=hour),
            git={"revision": HOSTILE, "branch": HOSTILE, "dirty": True},
        )  # fmt: skip
    return store


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["history", "list"], ["history", "show", "newest"], ["check", "--no-remeasure"], ["report"],
        ["history", "show", HOSTILE.replace("\0", "")], ["compare", HOSTILE, HOSTILE], ["run", "--instrument", HOSTILE],
        ["history", "import", HOSTILE[:80]], ["overhead", "--json", "/nowhere/" + HOSTILE[:80]],
    ],
    ids=lambda arguments: " ".join(arguments)[:14],
)  # fmt: skip
def test_commands_print_text_and_no_commands(hostile_store: Store, tmp_path: Path, arguments: list[str]) -> None:
    """In a job of GitHub Actions, whatever is stored or typed: no control characters, and no commands but our own."""
    environment = {**os.environ, "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with running(tmp_path, arguments, store=hostile_store.folder) as command:
            command.ended()
    for text in (command.printed, command.told):
        assert "Traceback" not in text
        assert not CONTROLS.search(text)
        assert "##[" not in text
        commands = [line for line in text.splitlines() if line.lstrip().startswith("::")]
        assert all(line.startswith("::error title=recording overhead regressed::") for line in commands), commands
    assert len(command.told.splitlines()) <= 40


def test_a_result_holds_no_environment_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all variables the policy of hash seeds alone is stored: in the result, the history, or on the screen."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    arguments = ["run", "--duration", "300ms", "--scraper", "builtin", "--json", "result.json"]
    with running(tmp_path, arguments) as command:
        assert command.ended() in {0, 1}
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in written} >= {".json"}
    for path in written:
        assert CANARY.encode() not in path.read_bytes(), path
    document = json.loads((tmp_path / "result.json").read_text())
    assert document["environment"]["hash_seed"] == "7"


@pytest.mark.slow
@pytest.mark.prometheus
def test_temporary_files_are_private(tmp_path: Path) -> None:
    """With a umask that forbids nothing, whatever is in the temporary folder is for the user alone."""
    arguments = [*SHORT, "--scraper", "prometheus", "--live"]
    with running(tmp_path, arguments, umask=0) as command:
        found: dict[str, int] = {}
        deadline = time.monotonic() + PATIENCE_S
        while not any(name.startswith("harness-prometheus-") for name in found) or not command.told:
            assert time.monotonic() < deadline, command.told
            for path in command.temporary.iterdir():
                found[path.name] = stat.S_IMODE(path.lstat().st_mode)
            time.sleep(0.05)
        command.interrupt(signal.SIGINT)
        command.ended()
    assert {mode & 0o077 for mode in found.values()} == {0}, found


def test_the_essentials_of_a_hostile_report_are_text() -> None:
    """What `harness report` prints."""
    with io.StringIO() as out:
        Console(file=out, width=120, color_system=None).print(essentials(hostile_report(HOSTILE)))
        assert not CONTROLS.search(out.getvalue())
