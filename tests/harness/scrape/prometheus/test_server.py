import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import ScraperError
from harness.scrape.builtin.scraper import child_environment
from harness.scrape.prometheus import server as module
from harness.scrape.prometheus.server import PrometheusServer, default_config, derived_config, find_prometheus
from harness.scrape.scraper import Target
from tests.harness.scrape.processes import assert_gone, assert_removed, eventually

TARGET = Target("127.0.0.1", 4711)
SLEEPER = "import sys, time\nsys.stderr.write('up\\n')\nsys.stderr.flush()\ntime.sleep(600)\n"


@pytest.fixture(autouse=True)
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Folders are made, and looked for, where no other run makes any."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make a Python program and put it in Prometheus' place."""

    def make(code: str) -> Path:
        path = tmp_path / "prometheus"
        path.write_text(f"#!{sys.executable} -IS\n{code}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PROMETHEUS_BIN", str(path))
        return path

    return make


def refused() -> str:
    """Start, expect one clear line, and return it."""
    server = PrometheusServer("{}")
    with pytest.raises(ScraperError) as raised:
        server.start()
    assert server.folder is None
    assert list(Path(tempfile.gettempdir()).iterdir()) == []
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_server_that_ends_at_once_is_quoted(fake: Callable[[str], Path]) -> None:
    """The last line of its log is the reason, without the noise before it."""
    fake("import sys; print('x\\nts=1 caller=main.go:1 level=error err=\"bad config\"', file=sys.stderr); sys.exit(2)")
    assert refused() == 'scraper prometheus: the server ended: level=error err="bad config"'


def test_a_server_that_says_nothing_is_told_by_its_code(fake: Callable[[str], Path]) -> None:
    """Without a word in the log, the exit code is the reason."""
    fake("raise SystemExit(7)")
    assert refused() == "scraper prometheus: the server ended: exit 7"


def test_a_server_that_never_gets_ready_is_given_up(
    fake: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that starts and never answers is ended after a while, with what it said last."""
    monkeypatch.setattr(module, "START_S", 0.5)
    fake(SLEEPER)
    assert refused().startswith("scraper prometheus: not ready within 0.5 s: ")


def test_a_file_that_is_no_program_is_refused(fake: Callable[[str], Path]) -> None:
    """A file without a format the system can run is one clear line."""
    fake("").write_bytes(b"\x7fnonsense")
    assert refused().startswith("scraper prometheus: the server ended: ")


@pytest.mark.parametrize("value", ["/nowhere/prometheus", "/"])
def test_prometheus_bin_must_be_a_program(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A wrong PROMETHEUS_BIN is named, and nothing else is taken instead."""
    monkeypatch.setenv("PROMETHEUS_BIN", value)
    with pytest.raises(ScraperError, match=f"^PROMETHEUS_BIN: '{value}' is no program"):
        find_prometheus()


def test_without_prometheus_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message says how to get it and what else would do."""
    monkeypatch.delenv("PROMETHEUS_BIN", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ScraperError, match=r"install Debian's package prometheus, .* --scraper builtin"):
        find_prometheus()


def test_a_port_taken_in_between_is_tried_elsewhere(fake: Callable[[str], Path], tmp_path: Path) -> None:
    """When somebody else takes the port first, another one is tried; any other failure is final."""
    tries = tmp_path / "tries"
    fake(
        "import sys\n"
        f"tries = open({str(tries)!r}, 'a+')\n"
        "tries.seek(0)\n"
        "first = not tries.read()\n"
        "tries.write([a for a in sys.argv if 'listen' in a][0] + '\\n')\n"
        "print('bind: address already in use' if first else 'something else', file=sys.stderr)\n"
        "sys.exit(1)\n"
    )
    assert refused().endswith("the server ended: something else")
    assert len(set(tries.read_text().split())) == 2


def test_a_preferred_port_that_is_taken_gives_way() -> None:
    """Who wants 9090 gets it when it is free and another one when it is not."""
    free = module._free_port(0)
    assert module._free_port(free) == free
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert module._free_port(taken.getsockname()[1]) != taken.getsockname()[1]


def test_stopping_what_was_never_started_does_nothing() -> None:
    """stop() may always be called."""
    server = PrometheusServer("{}")
    server.stop()
    with pytest.raises(ScraperError, match="is not running"):
        server.check()


KEPT = """
import sys, time
from harness.scrape.prometheus.server import PrometheusServer
server = PrometheusServer("{}")
server._launch(sys.argv[1])
while server.pid is None:
    time.sleep(0.01)
print(server.pid, server._keeper.pid, server.folder, flush=True)
if sys.argv[2] == "raise":
    raise RuntimeError
time.sleep(600)
"""


def start_kept(program: Path, ending: str) -> tuple["subprocess.Popen[str]", int, int, str]:
    parent = subprocess.Popen(
        [sys.executable, "-c", KEPT, str(program), ending],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=child_environment(),
    )
    assert parent.stdout is not None
    pid, keeper, folder = parent.stdout.readline().split()
    assert Path(folder).is_dir()
    return parent, int(pid), int(keeper), folder


@pytest.mark.parametrize("ending", ["kill", "interrupt", "terminate", "raise"])
def test_server_and_folder_go_away_however_we_end(fake: Callable[[str], Path], ending: str) -> None:
    """After SIGKILL, Ctrl-C, SIGTERM or an exception nobody catches: no process and no folder is left."""
    parent, pid, keeper, folder = start_kept(fake(SLEEPER), ending)
    signs = {"kill": signal.SIGKILL, "interrupt": signal.SIGINT, "terminate": signal.SIGTERM}
    with parent:
        if ending in signs:
            parent.send_signal(signs[ending])
    assert_gone(pid, keeper)
    assert_removed(folder)


@pytest.mark.slow
def test_a_server_that_ignores_the_polite_sign_is_killed(fake: Callable[[str], Path]) -> None:
    """Data and process go away even when the server does not want to end."""
    fake("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEPER)
    server = PrometheusServer("{}")
    server._launch(str(find_prometheus()))
    eventually(lambda: server.last_words() == "up", "the program runs")
    pid, folder = server.pid, server.folder
    server.stop()
    assert pid is not None
    assert_gone(pid)
    assert_removed(str(folder))


def test_when_everything_is_killed_the_next_start_cleans_up(
    fake: Callable[[str], Path], own_temporary_folder: Path
) -> None:
    """Killing us and the keeper at once ends the server; its folder is removed by whoever starts next, not before."""
    program = fake(SLEEPER)
    parent, pid, keeper, folder = start_kept(program, "kill")
    with parent:
        module._sweep()
        assert Path(folder).is_dir()  # still in use
        os.kill(keeper, signal.SIGSTOP)  # it shall not clean up itself
        parent.kill()
    os.kill(keeper, signal.SIGKILL)
    assert_gone(pid, keeper)
    assert Path(folder).is_dir()
    unrelated = own_temporary_folder / "harness-prometheus-unrelated"
    unrelated.mkdir()
    module._sweep()
    assert not Path(folder).exists()
    assert unrelated.is_dir()  # without a lock file it is none of ours


def test_what_is_left_behind_is_not_looked_for_behind_a_link(own_temporary_folder: Path, tmp_path: Path) -> None:
    """A link in the temporary folder, called as ours are, leads to nothing that is removed."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("in-use", "kept"):
        (elsewhere / name).write_text("")
    (own_temporary_folder / "harness-prometheus-link").symlink_to(elsewhere)
    module._sweep()
    assert sorted(path.name for path in elsewhere.iterdir()) == ["in-use", "kept"]


def read(text: str, tmp_path: Path) -> tuple[str, dict[str, Any]]:
    path = tmp_path / "promconfig.yaml"
    path.write_text(text)
    return derived_config(path, TARGET, 250_000_000)


def test_the_derived_configuration_keeps_the_job_and_sets_where_and_how_often() -> None:
    """Job name and the like come from promconfig.yaml, the target and the interval from the run."""
    name, config = derived_config(default_config(), TARGET, 250_000_000)
    assert name == "ocpythonmetrics_tutorial"
    (job,) = config["scrape_configs"]
    assert job["job_name"] == name
    assert job["static_configs"] == [{"targets": ["127.0.0.1:4711"]}]
    assert (job["scrape_interval"], job["scrape_timeout"]) == ("250ms", "250ms")


def test_what_else_the_job_says_is_kept(tmp_path: Path) -> None:
    """Relabelling stays, other ways of finding targets go, and only the first job is taken."""
    text = "scrape_configs:\n- {job_name: a, metric_relabel_configs: [], file_sd_configs: [x]}\n- {job_name: b}\n"
    name, config = read(text, tmp_path)
    assert name == "a"
    (job,) = config["scrape_configs"]
    assert job["metric_relabel_configs"] == []
    assert "file_sd_configs" not in job


@pytest.mark.parametrize(
    "text",
    ["", "x", "scrape_configs:", "scrape_configs: []", "scrape_configs: [3]", "scrape_configs: [{}]", "a: [", "{"],
)
def test_a_configuration_without_a_job_is_one_clear_line(text: str, tmp_path: Path) -> None:
    """The file is named, whatever is wrong in it."""
    with pytest.raises(ScraperError, match=r"promconfig\.yaml: has no scrape_configs"):
        read(text, tmp_path)


def test_an_unreadable_configuration_is_one_clear_line(tmp_path: Path) -> None:
    """A missing file is named with the system's reason."""
    with pytest.raises(ScraperError, match="cannot be read: No such file"):
        derived_config(tmp_path / "none.yaml", TARGET, 10**9)


def test_long_intervals_keep_the_usual_timeout() -> None:
    """Above ten seconds the timeout stays at Prometheus' default."""
    (job,) = derived_config(default_config(), TARGET, 60 * 10**9)[1]["scrape_configs"]
    assert (job["scrape_interval"], job["scrape_timeout"]) == ("60000ms", "10s")


@pytest.mark.prometheus
def test_promconfig_is_the_quickstarts_and_promtool_accepts_it() -> None:
    """The file scrapes localhost:8000 every ten seconds under the quickstart's job name, and is valid."""
    done = subprocess.run(["promtool", "check", "config", str(default_config())], capture_output=True, check=False)
    assert done.returncode == 0
    (job,) = yaml.safe_load(default_config().read_text())["scrape_configs"]
    assert job == {
        "job_name": "ocpythonmetrics_tutorial",
        "scrape_interval": "10s",
        "static_configs": [{"targets": ["localhost:8000"]}],
    }
