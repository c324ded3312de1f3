import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from harness.errors import HarnessError, UsageError
from harness.measure.compare import sides
from harness.measure.compare.revisions import check_out, find_revision
from harness.measure.compare.sides import SideCode, implied_instrument, parse_side, prepare
from harness.measure.compare.venvs import Venv
from harness.measure.subject import Subject


def git(folder, *arguments):
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-q", "-b", "trunk")
    (folder / "app").mkdir()
    (folder / "app" / "code.py").write_text("STATE = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    (folder / "app" / "code.py").write_text("STATE = 2\n")
    git(folder, "commit", "-q", "-a", "-m", "two")
    (folder / "app" / "code.py").write_text("STATE = 3  # not committed\n")
    return folder


class FakeCache:
    """Hands out an environment without building any, and remembers the recipes."""

    def __init__(self):
        self.recipes = []

    @contextmanager
    def environment(self, recipe):
        self.recipes.append(recipe)
        yield Venv(
            "/env/python",
            {"prometheus-client": "0.20.0"},
            "CPython 3.11.7",
            "/env/tree" if recipe.revision else "",
            "/links",
        )

    def own_packages(self):
        return "/links"


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        ("prometheus-client", "instrument", "a built-in instrument is one, though a package has the same name"),
        ("harness.instruments.none:NoInstrument", "instrument", "so is an object that records"),
        ("prometheus-client==0.20.0", "requirements", "a version makes it a requirement"),
        ("opentelemetry-sdk == 1.30.0  opentelemetry-exporter-prometheus==0.51b0", "requirements", "several are a set"),
        ("pip:prometheus-client", "requirements", "the prefix says so"),
        ("opentelemetry-sdk", "requirements", "a bare library that is measured is one"),
        ("git:HEAD~1", "revision", "the prefix says so"),
        ("trunk", "revision", "a bare name that git knows is a revision"),
        (sys.executable, "interpreter", "a program with a path is an interpreter"),
    ],
)
def test_a_side_is_recognised_by_how_it_is_written(repository, given, kind, says):
    """The four kinds of sides are told apart by their form, in the documented order."""
    assert parse_side("BASE", given, repository).kind == kind, says


def test_spaces_around_operators_do_not_split_a_requirement(tmp_path):
    """`name == 1` is one requirement, as pip has it."""
    assert parse_side("BASE", "a-b == 1.0 c[d]>= 2", tmp_path).requirements == ("a-b==1.0", "c[d]>=2")


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("", "empty"),
        ("pip:", "empty"),
        ("nosuch", "no instrument"),
        ("./no/such/python", "no such program"),
        ("git:nosuch", "no revision"),
        ("git:--all", "no revision"),
        ("pip:--pre", "not a requirement"),
        ("pip:-r/etc/passwd", "not a requirement"),
        ("pip:\t--find-links=elsewhere", "not a requirement"),
        ("pip:a==1\n--find-links=elsewhere", "not a requirement"),
        ("pip:git+ext::sh", "not a requirement"),
        ("git:--upload-pack=sh", "no revision"),
        ("git:-h", "no revision"),
        ("git:ext::sh -c id", "no revision"),
        ("git: HEAD;id", "no revision"),
        ("git:HEAD\n--all", "no revision"),
        ("a==1 -e .", "not a requirement"),
        ("harness.instruments.none:Nothing", "cannot load"),
    ],
)
def test_wrong_input_is_one_line_that_names_the_side(repository, given, word):
    """Whatever is wrong with a side is said in one line that begins with its role."""
    with pytest.raises(UsageError) as caught:
        parse_side("HEAD", given, repository)
    text = str(caught.value)
    assert text.startswith("HEAD: ")
    assert word in text
    assert "\n" not in text


def test_a_revision_is_checked_out_without_touching_the_work_tree(repository, tmp_path):
    """Files are those of the commit; what is not committed stays, and git's status and worktrees do not change."""
    before = git(repository, "status", "--porcelain"), git(repository, "worktree", "list")
    revision = find_revision("HEAD~1", repository / "app")
    check_out(revision, tmp_path / "tree")
    assert (tmp_path / "tree" / "app" / "code.py").read_text() == "STATE = 1\n"
    assert revision.inside == "app"
    assert (repository / "app" / "code.py").read_text().startswith("STATE = 3")
    assert (git(repository, "status", "--porcelain"), git(repository, "worktree", "list")) == before


@pytest.mark.parametrize(
    ("requirements", "instrument"),
    [
        (["prometheus-client==0.20.0"], "prometheus-client"),
        (["prometheus_client>=0.20"], "prometheus-client"),
        (["prometheus-client==0.20.0", "opentelemetry-sdk==1.30.0"], "opentelemetry"),
        (["opencensus-ext-prometheus==0.2.1"], "opencensus"),
        (["requests==2"], ""),
    ],
)
def test_a_library_tells_what_records_through_it(requirements, instrument):
    """Where a requirement names a measured library, nobody has to name the instrument."""
    assert implied_instrument(requirements) == instrument


def ready(given, other, driven, folder, cache):
    with ExitStack() as stack:
        pair = parse_side("BASE", given, folder), parse_side("HEAD", other, folder)
        return prepare(*pair, driven, cache, folder, stack)


def test_what_an_instrument_needs_is_installed_unless_it_is_named(tmp_path):
    """The SDK alone gets its exporter, and every side prometheus-client; what the user pinned is not named twice."""
    cache = FakeCache()
    side = ready("opentelemetry-sdk==1.30.0", "none", SideCode(extra=("x==1",)), tmp_path, cache)
    assert side.drives == "opentelemetry"
    wanted = cache.recipes[0].requirements
    assert wanted == ("opentelemetry-sdk==1.30.0", "x==1", "opentelemetry-exporter-prometheus", "prometheus-client")
    assert side.subject == Subject("opentelemetry", python="/env/python", path="/links", label=side.spec.given)


def test_a_revision_runs_in_its_own_tree(repository):
    """The user's function is imported from the revision's tree, not from where the user stands."""
    side = ready("git:HEAD", "git:HEAD~1", SideCode(target="code:run"), repository / "app", FakeCache())
    assert (side.subject.folder, side.subject.path, side.subject.target) == ("/env/tree", "/links", "code:run")


@pytest.mark.parametrize(
    ("given", "other", "driven", "word"),
    [
        ("git:HEAD", "git:HEAD~1", SideCode(), "--instrument NAME or --target"),
        ("none", "git:HEAD", SideCode(target="a:b"), "takes the place of --target"),
        ("/bin/ls", "none", SideCode(), "not answer as a Python"),
    ],
)
def test_a_side_that_cannot_be_run_is_named(repository, given, other, driven, word):
    """What is missing or contradictory is one line with the side's role."""
    with pytest.raises(HarnessError, match=word) as caught:
        ready(given, other, driven, repository, FakeCache())
    assert str(caught.value).startswith("BASE: ")
    assert "\n" not in str(caught.value)


def test_an_interpreter_keeps_its_link(tmp_path, monkeypatch):
    """A virtual environment's interpreter is a link: it must be started by its own name, not by what it leads to."""
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    known = {"python": "CPython 3.12.0", "version": [3, 12], "libraries": {"prometheus-client": "1"}}
    monkeypatch.setattr(sides, "describe", lambda _python: known)
    assert ready(str(link), "none", SideCode(), tmp_path, FakeCache()).subject.python == str(link)
    monkeypatch.setattr(sides, "describe", lambda _python: {**known, "version": [3, 10], "python": "CPython 3.10.1"})
    with pytest.raises(UsageError, match=r"3\.11 or newer"):
        ready(str(link), "none", SideCode(), tmp_path, FakeCache())
    monkeypatch.setattr(sides, "describe", lambda _python: {**known, "libraries": {}})
    with pytest.raises(UsageError, match="no prometheus-client"):
        ready(str(link), "none", SideCode(), Path(tmp_path), FakeCache())


@pytest.mark.parametrize("given", ["--find-links=elsewhere", "-e.", " -r/etc/passwd", "", " ", "a\n--pre", "a\x1b[2J"])
def test_what_is_installed_beside_both_sides_is_no_option(given):
    """A requirement of both sides cannot tell pip to do something else."""
    with pytest.raises(UsageError) as caught:
        SideCode(extra=("a==1", given))
    assert caught.value.field == "extra"
    assert "not a requirement" in str(caught.value)


@pytest.mark.parametrize(
    "given", ["a", "a >= 1", "a[b]==1", "a @ https://127.0.0.1:9/a.whl", "./a.whl", "git+https://h/r@v"]
)
def test_what_pip_takes_as_a_requirement_goes_to_both_sides(given):
    """Versions, addresses and paths are requirements."""
    assert SideCode(extra=(given,)).extra == (given,)
