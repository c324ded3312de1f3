"""A mistake is told with the flag by which the command takes what was wrong, and no other."""

import pickle
from pathlib import Path

import click
import pytest

from harness import cli
from harness.cli import COMMANDS
from harness.cli.command import _named, flag_of
from harness.errors import HarnessError, InstrumentError, RunError, ScraperError, UsageError, from_answer, to_answer
from harness.measure.compare import compare as measured
from harness.measure.compare.sides import SideCode, of_side


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = cli._run(list(arguments))
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    return code, text


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("probe no-such-probe", "NAME: there is no probe 'no-such-probe'"),
        ("compare none none --precision 0", "--precision: 0.0 is not a share"),
        ("compare none nothing:x", "HEAD: cannot load 'nothing:x'"),
        ("overhead --instruments nothing", "--instruments: there is no instrument 'nothing'"),
        ("overhead --base nothing", "--base: there is no instrument 'nothing'"),
        ("overhead pages none nothing", "SECOND: there is no instrument 'nothing'"),
        ("overhead --diff none,nothing", "SECOND: there is no instrument 'nothing'"),
        ("overhead laws colour", "FACTOR: there is no factor 'colour'"),
        ("overhead self-test --instrument nothing", "--instrument: there is no instrument 'nothing'"),
        ("overhead ladder --series 1,2", "--series: one number here"),
        ("repl --instrument nothing", "--instrument: there is no instrument 'nothing'"),
        ("run --instrument nothing --duration 1s --no-save", "--instrument: there is no instrument 'nothing'"),
        ("run --incident stal@2m+1s", "--incident: 'stal@2m+1s': there is no incident 'stal', did you mean 'stall'?"),
        ("run --incident stall@2m", "--incident: 'stall@2m': a duration is missing; write stall@2m+10s"),
        ("run --incident stall@2m+1s --duration 5s", "--incident 'stall@2m+1s': begins after the end of the load"),
        ("demo --incident stall@2m --count 1", "--incident 'stall@2m': a duration is missing"),
        ("demo --tour 3s --count 1", "--tour: has its own incidents and ends by itself"),
        ("overhead --instruments none --heap 999999999", "--heap: 999999999 objects"),
    ],
)
def test_the_flag_that_exists_is_named(capsys: pytest.CaptureFixture[str], command: str, says: str) -> None:
    """Whichever command it is, the flag in front of the line is one of its own, and stands there once."""
    code, text = said(capsys, *command.split())
    assert code == 2
    assert text.startswith(f"harness: error: {says}")


@pytest.mark.parametrize(("command", "flag"), [("probe", "--instruments"), ("compare", "--instrument"),
                                               ("overhead", "--instruments"), ("check", "--instruments")])  # fmt: skip
def test_one_field_has_another_flag_elsewhere(command: str, flag: str) -> None:
    """What the library calls `instrument` is `--instruments` where a command takes several."""
    found = cli.cli.get_command(click.Context(cli.cli), command)
    assert flag_of("instrument", found.params) == flag


def test_a_field_that_a_command_does_not_take_is_not_named() -> None:
    """No command ever names a flag that it has not."""
    for name in COMMANDS:
        command = cli.cli.get_command(click.Context(cli.cli), name)
        assert flag_of("", command.params) == flag_of("no_such_field", command.params) == ""
        flags = {flag for parameter in command.params for flag in parameter.opts}
        for field in ("instrument", "target", "axis", "cache", "base", "heap"):
            named = flag_of(field, command.params)
            assert named in flags or named in {"", "BASE"}


def test_a_worker_that_cannot_load_what_runs_on_a_side_names_the_flag(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instrument was given by --instrument, the side says where it was met; told by a real worker process."""
    import sys

    monkeypatch.setattr(measured, "measure_axis", None)
    code, text = said(
        capsys, "compare", sys.executable, sys.executable, "--instrument", "nothing:x", "--quiet",
        "--cache", str(tmp_path),
    )  # fmt: skip
    assert code == 2
    assert text.startswith("harness: error: --instrument: BASE: cannot load 'nothing:x'")
    assert "--instruments" not in text


def test_a_side_that_is_an_instrument_is_named_alone() -> None:
    """What the user did not give by a flag is not blamed on one."""
    error = InstrumentError("x could not be built", field="instrument")
    assert (of_side("HEAD", error, SideCode()).field, str(of_side("HEAD", error, SideCode()))) == (
        "",
        "HEAD: x could not be built",
    )
    assert of_side("HEAD", error, SideCode(instrument="x")).field == "instrument"
    assert str(of_side("HEAD", RunError("HEAD: gone"), SideCode())) == "HEAD: gone"


@pytest.mark.parametrize(
    "error",
    [
        UsageError("a", field="axis"),
        RunError("b"),
        InstrumentError("c", field="target"),
        ScraperError("d", field="scraper", value="builtin"),
    ],
)
def test_an_error_arrives_from_another_process_as_it_was(error: HarnessError) -> None:
    """Its kind, its text and its field survive both ways of travelling."""
    for again in (from_answer(to_answer(error)), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert (type(again), str(again), again.field, again.text) == (type(error), str(error), error.field, error.text)
    assert type(from_answer({"error": "x", "kind": "SomethingElse"})) is RunError
    assert type(from_answer({"error": "x", "kind": "Mapping"})) is RunError


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (
            "run --lengths lognrmal --no-save",
            "--lengths 'lognrmal': unknown name 'lognrmal', did you mean 'lognormal'?",
        ),
        ("lines --lengths replay:/nowhere", "--lengths replay: cannot read the file '/nowhere'"),
        ("lines --arrivals steps:0:0 --count 1", "--arrivals steps: "),
        ("lines --errors not_utf8=60%,nul=60% --count 1", "--errors: the shares add up to 1.2"),
        ("run --scrape-interval 1ms --no-save", "--scrape-interval: is too short; write 10ms or more, such as 1s"),
        ("run --require lag<1ms --no-save", "--require: 'lag<1ms': "),
        ("run nowhere --no-save", "SCENARIO: there is no file 'nowhere'"),
        ("run --address= --no-save", "--address: "),
        ("repl --address 192.0.2.1 --port 0", "--address: '192.0.2.1' is no address of this machine"),
        ("history --kind cake", "--kind: 'cake' is not one of run, overhead"),
        ("history export --format csv --since soon", "--since: 'soon' is not a date"),
        ("overhead laws series --base none", "No such option"),
    ],
)
def test_the_line_begins_with_the_flag_that_was_given_and_its_value(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, line: str
) -> None:
    """What the library tells of a field, the command line tells of its flag, in the words of both."""
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "runs"))
    _, text = said(capsys, *command.split())
    assert text.startswith(f"harness: error: {line}")


@pytest.mark.parametrize(
    ("error", "of_run", "of_check"),
    [
        (
            ScraperError("did not start", field="scraper", value="builtin"),
            "--scraper builtin: did not start",
            "scraper builtin: did not start",
        ),
        (UsageError("no such place", field="address/port"), "--address/--port: no such place", "no such place"),
        (UsageError("too late", field="seed/alpha"), "too late", "too late"),
    ],
)
def test_a_value_follows_the_flag(error: HarnessError, of_run: str, of_check: str) -> None:
    """Where the command has no such flag, the field stands in its place; several fields are several flags."""
    for command, line in (("run", of_run), ("check", of_check)):
        found = cli.cli.get_command(click.Context(cli.cli), command)
        assert str(_named(error, found.params)) == line
