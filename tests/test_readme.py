"""The README and the pages it leads to show commands that work, word for word."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHECKLIST = (ROOT / "docs" / "release-checklist.md").read_text(encoding="utf-8")
INSTRUMENTS = (ROOT / "docs" / "instruments.md").read_text(encoding="utf-8")
# Commands that go on until Ctrl-C, and how long they get before it.
ENDLESS = {"harness demo": 12, "harness repl": 3}


def commands(text: str) -> list[str]:
    """Return what follows the prompt in each console block, comments taken off."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    typed = [line.strip()[2:] for block in blocks for line in block.splitlines() if line.strip().startswith("$ ")]
    return [command.split("  #")[0].strip() for command in typed]


def expected_output(command: str) -> str:
    """Return what the README shows below a command."""
    match = re.search(r"\$ " + re.escape(command) + r"\n(.*?)(?=\n\$ |\n?```)", README, re.DOTALL)
    assert match is not None
    return match[1]


SHOWN = commands(README) + commands(INSTRUMENTS)
HARNESS = sorted({command for command in SHOWN if "harness " in command and not command.startswith("make")})
MAKE = sorted(
    {c.split()[1] for page in (README, CONTRIBUTING, CHECKLIST) for c in commands(page) if c.startswith("make ")}
)
SLOW = [
    command
    for command in HARNESS
    if re.search(r"harness (overhead|compare|check|demo|probe|run quickstart|run --duration 5s)", command)
]


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would who has activated the environment and stands in a folder of theirs."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HARNESS_STORE": str(folder / "runs"),
        "NO_COLOR": "1",
    }
    process = subprocess.Popen(
        ["bash", "-o", "pipefail", "-c", f"exec {command}" if "|" not in command else command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment,
    )
    limit = next((seconds for start, seconds in ENDLESS.items() if command.startswith(start)), 280)
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def check(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "own.py").write_text(OWN)
    done = shell(command, folder)
    assert "Traceback" not in done.stderr, done.stderr
    # 1 is what a run says whose machine was too busy to keep the schedule or a bound; 3 is an honest `undecided`.
    assert done.returncode in (0, 1, 3), done.stderr
    if done.returncode == 1:
        assert "INVALID" in done.stdout or "✗ require" in done.stdout, done.stderr
    return done


OWN = (re.search(r"```python\n# own\.py\n(.*?)```", INSTRUMENTS, re.DOTALL) or [None, ""])[1]


@pytest.mark.parametrize("command", [command for command in HARNESS if command not in SLOW])
def test_a_command_in_the_readme_works(command: str, tmp_path: Path) -> None:
    """It runs in any folder, without a traceback, and shows what the README shows where that is always the same."""
    done = check(command, tmp_path)
    if command.startswith("harness lines") and "|" not in command:
        assert done.stdout.strip() == expected_output(command).strip()


@pytest.mark.slow
@pytest.mark.prometheus
@pytest.mark.parametrize("command", SLOW)
def test_a_longer_command_in_the_readme_works(command: str, tmp_path: Path) -> None:
    """The same for what takes longer than a test should."""
    check(command, tmp_path)


@pytest.mark.parametrize("target", MAKE)
def test_a_target_in_the_readme_exists(target: str) -> None:
    """Each `make` command shown is one that the Makefile knows."""
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_the_readme_is_short_and_shows_the_costs_first() -> None:
    """At most 200 lines, and a picture before the first section."""
    assert len(README.splitlines()) <= 200
    assert "](docs/img/what-a-metric-costs-costs.svg)" in README.partition("\n## ")[0]


def test_the_costs_it_shows_are_those_of_the_page() -> None:
    """Each figure of its table stands in the row of that way of recording in docs/what-a-metric-costs.md."""
    page = (ROOT / "docs" / "what-a-metric-costs.md").read_text(encoding="utf-8")
    rows = [line for line in README.splitlines() if re.match(r"\| (open|prometheus)\S+ \|", line)]
    assert len(rows) == 5
    for row in rows:
        name, *figures = (cell.strip() for cell in row.strip("|").split("|"))
        shown = next(line for line in page.splitlines() if line.startswith(f"| {name} |"))
        assert all(f"| {each} |" in shown for each in figures), row


def test_the_readme_counts_the_expressions() -> None:
    """The numbers of distributions, contents and arrival shapes are those of the grammar."""
    from workloads import grammar

    numbers = dict(enumerate(("six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen"), 6))
    text = " ".join(README.lower().split())
    for kind, words in (("lengths", "distributions"), ("content", "kinds of content"), ("arrivals", "arrival shapes")):
        assert f"{numbers[len({row.name for row in grammar.describe(kind)})]} {words}" in text


def test_the_index_leads_to_every_page() -> None:
    """Each page of the documentation has its line."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert sorted(page for page in pages if f"({page})" not in index) == []


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Each relative link names a file of the repository."""
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", prose):
        assert (page.parent / target).exists(), target


def test_commands_are_plain_shell() -> None:
    """Nothing in a console block needs more than a shell and a few usual programs."""
    for command in SHOWN:
        assert shlex.split(command)[0] in {"make", "harness", "pip", "printf", "git", "curl", "source", "cd"}, command
