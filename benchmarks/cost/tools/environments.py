"""The environments of the tools of `compare_tools.py` that are not installed beside this project.

pytest-codspeed replaces the `benchmark` fixture of pytest-benchmark, and asv builds environments of its own for the
commits it compares. Both are therefore installed into virtual environments under `.benchmarks/tools`, with the versions
of constraints.txt, when they are first needed. The measured code and its libraries come from the environment that runs
the comparison, so that all tools measure the same ones.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CONSTRAINTS = ROOT / "constraints.txt"
PLACE = ROOT / ".benchmarks" / "tools"
# What is installed for each tool; asv makes its environments with virtualenv.
PACKAGES = {"asv": ("asv", "virtualenv"), "pytest-codspeed": ("pytest-codspeed",)}
# An installation, or a command of a tool, takes at most this long.
DEADLINE_S = 900
MACHINE = "here"
IDENTITY = ("-c", "user.name=compare_tools", "-c", "user.email=compare_tools@localhost", "-c", "commit.gpgsign=false")
# The measured package of a commit: a number of turns. Copied rather than installed by pip, which takes seconds each
# time that asv changes from one commit to the other. The bytecode is written at once: that of the other commit would be
# taken for it, since both files have the same size and may have the same time.
INSTALL = """\
import py_compile
import shutil
import sysconfig
from pathlib import Path

source = Path(__file__).with_name("compared_commit.py")
place = shutil.copy(source, sysconfig.get_path("purelib"))
py_compile.compile(place, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""
SUITE = """\
import os
import sys

sys.path += {search!r}

from compared_commit import TURNS

os.environ["COMPARED_TURNS"] = str(TURNS)

from benchmarks.cost.compared_subject import LINE, head


def time_subject():
    head(LINE)
"""


def pinned(names: Iterable[str]) -> dict[str, str]:
    """Return the version of each package in constraints.txt; raise `SystemExit` for one that is missing there."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    versions = dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))
    missing = [name for name in names if name not in versions]
    if missing:
        raise SystemExit(f"{CONSTRAINTS.name} pins no version of {', '.join(missing)}")
    return {name: versions[name] for name in names}


def tool_versions() -> dict[str, str]:
    """Return the versions of the compared tools."""
    return pinned(("pytest-benchmark", "pyperf", "asv", "pytest-codspeed"))


def execute(command: Sequence[str | Path], folder: Path, more: Mapping[str, str] | None = None) -> str:
    """Run a command of the preparation and return its output; raise `SystemExit` with the output where it fails."""
    shown = " ".join(str(part) for part in command)
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env={**os.environ, **(more or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SystemExit(f"{shown} did not end within {DEADLINE_S} s") from None
    if done.returncode:
        raise SystemExit(f"{shown} failed:\n{done.stdout}")
    return done.stdout


def interpreter(tool: str, place: Path = PLACE) -> Path:
    """Return the Python interpreter with `tool`; install it first where it is missing or was made of something else.

    An interrupted installation is started again.
    """
    folder = place / tool
    python, ready = folder / "bin" / "python", folder / "ready.json"
    written = [INSTALL, SUITE, *search_path()]
    wanted = json.dumps({"python": sys.version, "base": sys.executable, "files": written, **pinned(PACKAGES[tool])})
    if not ready.exists() or ready.read_text(encoding="utf-8") != wanted:
        print(f"installing {tool} into {folder}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        place.mkdir(parents=True, exist_ok=True)
        execute([sys.executable, "-m", "venv", folder], place)
        execute([python, "-m", "pip", "install", "-q", "-c", CONSTRAINTS, *PACKAGES[tool]], place)
        ready.write_text(wanted, encoding="utf-8")
    return python


def search_path() -> list[str]:
    """Return the folders with the measured code and its libraries."""
    return [str(ROOT), sysconfig.get_path("purelib")]


class AsvProject:
    """A git repository with a commit of the base and one of the head for each number of turns, and its asv settings.

    `asv continuous` compares two commits in environments that it makes itself, so each side has to be a commit.
    """

    def __init__(self, place: Path = PLACE) -> None:
        self.python = interpreter("asv", place)
        self.folder = self.python.parents[1] / "project"
        self.repository = self.folder / "repository"
        self.home = self.folder / "home"

    def prepare(self, turns: Iterable[int]) -> None:
        """Make the missing commits and, once, the environment in which asv measures."""
        if not (self.folder / "asv.conf.json").exists():
            self._create()
        branches = self._git("branch", "--format=%(refname:short)").split()
        for number in sorted(set(turns)):
            if f"head-{number}" not in branches:
                self._git("checkout", "-q", "--force", "--detach", "base")
                self._commit(number, f"{number} more turns")
                self._git("branch", f"head-{number}")
        # The check makes the environment. It keeps the user's home, where pip finds its settings.
        execute([self.python, "-m", "asv", "check"], self.folder, self._common())
        execute([self.python, "-m", "asv", "machine", "--yes", "--machine", MACHINE], self.folder, self.environment())

    def environment(self) -> dict[str, str]:
        """Return the environment variables of an asv command: the file about the machine is not that of the user."""
        return {**self._common(), "HOME": str(self.home)}

    def commit(self, name: str) -> str:
        """Return the hash of the commit of `base` or of a head."""
        return self._git("rev-parse", name).strip()

    def write_settings(self, folder: Path) -> None:
        """Write the asv.conf.json of a trial, whose results stay in `folder`."""
        settings = {
            "version": 1,
            "project": "compared_commit",
            "repo": str(self.repository),
            "branches": ["base"],
            "benchmark_dir": str(self.folder / "suite"),
            "environment_type": "virtualenv",
            "pythons": [f"{sys.version_info[0]}.{sys.version_info[1]}"],
            "env_dir": str(self.folder / "env"),
            "results_dir": "results",
            "html_dir": "html",
            "build_command": [],
            "install_command": ["python {build_dir}/install.py"],
            "uninstall_command": [],
        }
        (folder / "asv.conf.json").write_text(json.dumps(settings), encoding="utf-8")

    def _common(self) -> dict[str, str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        return {"PATH": path, "PIP_CONSTRAINT": str(CONSTRAINTS)}

    def _create(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        for folder in (self.repository, self.folder / "suite", self.home):
            folder.mkdir(parents=True)
        (self.folder / "suite" / "__init__.py").touch()
        (self.folder / "suite" / "line.py").write_text(SUITE.format(search=search_path()), encoding="utf-8")
        (self.repository / "install.py").write_text(INSTALL, encoding="utf-8")
        self._git("init", "-q", "-b", "base")
        self._commit(0, "base")
        # The last step: where it is missing, all are made again.
        self.write_settings(self.folder)

    def _commit(self, turns: int, message: str) -> None:
        (self.repository / "compared_commit.py").write_text(f"TURNS = {turns}\n", encoding="utf-8")
        self._git("add", "--all")
        # A head of identical code is a commit as well.
        self._git("commit", "-q", "--allow-empty", "-m", message)

    def _git(self, *arguments: str) -> str:
        return execute(["git", *IDENTITY, *arguments], self.repository)
