"""What children may import, how long they may take, and that nothing of their group is left."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from harness.children import ISOLATED, end_group, has_ended, private_folder, python_path, run_to_end
from harness.errors import RunError

# Starts a child that ignores SIGTERM and holds our pipes, tells its number, and waits for it.
STUBBORN = (
    "import signal, subprocess, sys\n"
    "code = 'import signal as s, time; s.signal(s.SIGTERM, s.SIG_IGN); print(1, flush=True); time.sleep(600)'\n"
    "child = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE)\n"
    "child.stdout.readline()\n"
    "open(sys.argv[1], 'w').write(str(child.pid))\n"
    "child.wait()\n"
)


def gone(pid: int) -> bool:
    """Whether it ended; whoever inherits it may reap it whenever it likes."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_a_command_says_what_it_said():
    """Output, complaints and exit code are those of the command, and it reads what it was given."""
    code = "import sys; print(sys.stdin.read().upper()); print('a\\nb', file=sys.stderr); sys.exit(3)"
    found = run_to_end([sys.executable, *ISOLATED, "-c", code], what="it", within_s=60, given=b"word")
    assert (found.code, found.output, found.last_word) == (3, b"WORD\n", "b")


def test_a_command_that_does_not_end_is_ended_with_all_it_started(tmp_path):
    """The deadline passes: one line names the command and the deadline; a grandchild that ignores SIGTERM is gone."""
    place = tmp_path / "pid"
    # The deadline may pass before the grandchild was started; then there is none to be left.
    with pytest.raises(RunError, match=r"^the count did not end within 2 s and was ended$"):
        run_to_end([sys.executable, "-c", STUBBORN, str(place)], what="the count", within_s=2)
    assert not place.exists() or not place.read_text() or gone(int(place.read_text()))


def test_what_a_finished_command_left_in_its_group_is_ended(tmp_path):
    """The command ended by itself, and left a child that ignores SIGTERM: that one does not survive it."""
    code = STUBBORN.replace("child.wait()\n", "")
    found = run_to_end([sys.executable, "-c", code, str(tmp_path / "pid")], what="it", within_s=60)
    assert found.code == 0
    assert gone(int((tmp_path / "pid").read_text()))


def test_ending_a_group_keeps_the_exit_code():
    """A process that ended by itself is waited for without being reaped, and its code is told, twice as well."""
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"], process_group=0)
    assert has_ended(process, 60)
    assert process.returncode is None
    assert (end_group(process), end_group(process)) == (7, 7)
    assert has_ended(process, 0)


def test_one_that_goes_on_is_told_from_one_that_ended():
    """Waiting ends at the deadline, and ending is by SIGKILL."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
    assert not has_ended(process, 0)
    assert end_group(process) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("users", "expected", "says"),
    [
        ("", ["/ours"], "nothing of the user's"),
        ("/a:/b", ["/ours", "/a", "/b"], "the user's folders come after ours"),
        (":/a::", ["/ours", "/a"], "an empty place is the working directory, which nobody named"),
        ("/a:/ours:/a", ["/ours", "/a"], "each once"),
        ("lib", ["/ours", "{here}/lib"], "a child that works elsewhere finds what was meant here"),
    ],
)
def test_the_search_path_holds_what_was_named(monkeypatch, users, expected, says):
    """PYTHONPATH for children has no place for the working directory unless the user named it."""
    monkeypatch.setenv("PYTHONPATH", users)
    wanted = [folder.format(here=Path.cwd()) for folder in expected]
    assert python_path("/ours", "").split(":") == wanted, says


@pytest.mark.parametrize("how", [["-c", "import queue"], ["-m", "queue"]])
def test_an_isolated_python_does_not_import_from_where_it_stands(tmp_path, how):
    """A file called like a module of Python's own does not take its place, and what it starts is as usual."""
    Path(tmp_path, "queue.py").write_text("raise ImportError('the wrong one')")
    found = run_to_end([sys.executable, *ISOLATED, *how], what="it", within_s=60, folder=tmp_path)
    assert (found.code, found.complaints) == (0, "")


def test_a_private_folder_lasts_as_long_as_its_block(tmp_path, monkeypatch):
    """It is ours alone, and gone with everything in it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with private_folder("some-") as folder:
        assert folder.name.startswith("some-")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_private_folder_goes_away_however_we_end(tmp_path, number):
    """Also after SIGKILL."""
    program = (
        "import time\n"
        "from harness.children import private_folder\n"
        "with private_folder('some-') as folder:\n"
        "    (folder / 'file').write_text('')\n"
        "    print(flush=True)\n"
        "    time.sleep(600)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout.readline()
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
    deadline = time.monotonic() + 60
    while list(tmp_path.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_private_folder_that_cannot_be_made_is_one_line(tmp_path, monkeypatch):
    """The place is named with the system's reason."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(RunError, match=r"can be made in .*none: No such file"), private_folder("x-"):
        pass
