import fcntl
import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import RunError
from harness.measure.compare import venvs as environments
from harness.measure.compare.revisions import Revision
from harness.measure.compare.venvs import Cache, Recipe, default_folder, describe

pytestmark = pytest.mark.system

RECIPE = Recipe(("prometheus-client==0.20.0",))
REVISION = Revision("/repository", "c" * 40, "d" * 40, "app")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache whose environments are this interpreter: built in no time, and counted."""
    found = Cache(tmp_path / "cache")
    found.built = 0

    def fill(entry, _recipe):
        found.built += 1
        (entry / "venv" / "bin").mkdir(parents=True)
        (entry / "venv" / "bin" / "python").symlink_to(sys.executable)
        (entry / "complete.json").write_text(json.dumps(describe(str(entry / "venv" / "bin" / "python"))))

    monkeypatch.setattr(found, "_fill", fill)
    return found


def use(cache, recipe=RECIPE):
    with cache.environment(recipe) as found:
        return found


def test_the_key_is_the_content():
    """The same requirements in another order share an environment; another version, tree, folder or Python does not."""
    both = ("a==1", "b==2")
    assert Recipe(both).key == Recipe(both[::-1]).key
    different = [
        Recipe(both),
        Recipe(("a==1", "b==3")),
        Recipe(both, REVISION),
        Recipe(both, replace(REVISION, tree="e" * 40)),
        Recipe(both, replace(REVISION, inside=".")),
    ]
    assert len({recipe.key for recipe in different}) == len(different)
    again = replace(REVISION, commit="f" * 40, repository="/elsewhere")
    assert Recipe(both, again).key == Recipe(both, REVISION).key


def test_an_environment_is_built_once(cache):
    """The second use finds the first one's environment."""
    assert use(cache) == use(cache)
    assert cache.built == 1


@pytest.mark.parametrize("damage", ["complete.json", "venv/bin/python"])
def test_a_broken_entry_is_built_again(cache, damage):
    """An entry that was left half by a kill, or whose interpreter is gone, does not get used."""
    first = use(cache)
    (cache.folder / RECIPE.key / damage).unlink()
    assert use(cache) == first
    assert cache.built == 2


def test_an_entry_that_changed_is_built_again(cache):
    """An environment that somebody installed into is no longer what its name says."""
    use(cache)
    marker = cache.folder / RECIPE.key / "complete.json"
    known = json.loads(marker.read_text())
    marker.write_text(json.dumps({**known, "libraries": {}}))
    use(cache)
    assert cache.built == 2


def test_two_at_once_build_once(cache):
    """Whoever comes second waits, is told so, and uses what the first one built."""
    started, told = threading.Event(), threading.Event()
    fill = cache._fill

    def slowly(entry, recipe):
        started.set()
        assert told.wait(30)
        fill(entry, recipe)

    cache._fill = slowly
    first = threading.Thread(target=use, args=(cache,))
    first.start()
    assert started.wait(30)
    second = Cache(cache.folder, say=lambda _text: told.set())
    found = use(second)
    first.join()
    assert cache.built == 1
    assert found.python == str(cache.folder / RECIPE.key / "venv" / "bin" / "python")


def test_clearing_keeps_what_is_in_use(cache):
    """An environment that is being measured stays; all others go."""
    other = Recipe(("b==1",))
    use(cache, other)
    with cache.environment(RECIPE):
        assert Cache(cache.folder).clear() == (1, 1)
    assert Cache(cache.folder).clear() == (1, 0)
    assert not list(cache.folder.glob("*/complete.json"))


def test_a_killed_builder_does_not_lock_anybody_out(cache):
    """The lock goes with the process that held it."""
    cache.folder.mkdir()
    lock = cache.folder / f"{RECIPE.key}.lock"
    script = (
        "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "1\n"
        with lock.open("a") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        holder.kill()
    assert use(cache).python


def test_our_packages_come_without_what_is_installed_beside_them(tmp_path):
    """The folder on a side's search path leads to our two packages and to nothing else."""
    folder = Path(Cache(tmp_path).own_packages())
    assert sorted(each.name for each in folder.iterdir()) == ["harness", "workloads"]
    assert (folder / "harness" / "measure" / "worker" / "__init__.py").is_file()
    assert Cache(tmp_path).own_packages() == str(folder)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    """A cache that is a file is named, with the field at fault."""
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(RunError, match=r"Not a directory|File exists") as caught:
        use(Cache(place))
    assert caught.value.field == "cache"


@pytest.mark.parametrize(("named", "expected"), [("/c", "/c"), ("relative", "/home/u/.cache"), ("", "/home/u/.cache")])
def test_the_default_folder_follows_the_xdg_specification(monkeypatch, named, expected):
    """An absolute $XDG_CACHE_HOME is used, a relative one ignored."""
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    monkeypatch.setenv("HOME", "/home/u")
    assert default_folder() == Path(expected, "recording-harness", "compare")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "WARNING: x\nERROR: No matching distribution found for a==9\n\n",
            "ERROR: No matching distribution found for a==9",
        ),
        ("error: subprocess failed\nhint: See above for details.\n", "error: subprocess failed"),
        ("plain\nwords\n", "words"),
        ("", "no output"),
    ],
)
def test_pips_reason_is_found(said, expected):
    """Of all that pip says the last error is told, or the last line."""
    assert environments._last(said) == expected


def test_a_tree_is_installed_by_its_nearest_project(tmp_path):
    """The nearest project goes before one further up and before bare requirements; a plain tree installs nothing."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert environments._installable(tmp_path, inner) == []
    (tmp_path / "requirements.txt").write_text("")
    assert environments._installable(tmp_path, inner) == ["--requirement", str(tmp_path / "requirements.txt")]
    (tmp_path / "a" / "pyproject.toml").write_text("")
    assert environments._installable(tmp_path, inner) == [str(tmp_path / "a")]


@pytest.mark.slow
def test_a_requirement_is_installed_as_it_was_asked_for(tmp_path):
    """A version older than our own dependencies allow can be had, from the index that the user configured."""
    with Cache(tmp_path).environment(RECIPE) as found:
        assert found.libraries["prometheus-client"] == "0.20.0"
        assert "recording-harness" not in found.libraries
    with (
        pytest.raises(RunError, match=r"pip could not install .*ERROR: ") as caught,
        Cache(tmp_path).environment(Recipe(("prometheus-client==0.0.0.1",))),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_pip_is_told_where_its_options_end(tmp_path, monkeypatch):
    """Even a requirement that got past every check is no option of pip."""
    commands = []

    def note(arguments, _failed):
        commands.append(arguments)
        if "venv" in arguments:
            python = Path(arguments[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.symlink_to(sys.executable)

    monkeypatch.setattr(environments, "_command", note)
    use(Cache(tmp_path / "cache"), Recipe(("--pre",)))
    assert commands[1][-2:] == ["--", "--pre"]


def test_the_cache_is_the_users_own(cache, tmp_path):
    """It is made for one user; where others may write, nothing is kept and nothing is run."""
    use(cache)
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(RunError, match="others may write to it") as caught:
        use(Cache(shared))
    assert caught.value.field == "cache"
    assert list(shared.iterdir()) == []
