"""What the environments of other tools promise: pinned versions, made once, and a commit for each side."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cost.tools import environments
from benchmarks.cost.tools.environments import AsvProject, interpreter, pinned, tool_versions


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Replace the installation by a folder with an interpreter, and return the commands; git runs really."""
    commands: list[list[str]] = []
    real = environments.execute

    def execute(command: list[str | Path], folder: Path, more: dict[str, str] | None = None) -> str:
        told = [str(part) for part in command]
        commands.append(told)
        if told[0] == "git":
            return real(command, folder, more)
        if told[1:3] == ["-m", "venv"]:
            python = Path(told[3], "bin", "python")
            python.parent.mkdir(parents=True)
            python.symlink_to(sys.executable)
        return ""

    monkeypatch.setattr(environments, "execute", execute)
    return commands


def test_versions_are_those_of_the_constraints() -> None:
    """Every compared tool has a pin, and one without a pin is named."""
    lines = environments.CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    assert all(f"{tool}=={version}" in lines for tool, version in tool_versions().items())
    with pytest.raises(SystemExit, match="pins no version of no-such-tool"):
        pinned(["asv", "no-such-tool"])


def test_an_environment_is_made_once(installed: list[list[str]], tmp_path: Path) -> None:
    """Only where it is missing, unfinished or of other versions is it made, with the pinned versions."""
    python = interpreter("pytest-codspeed", tmp_path)
    assert python == tmp_path / "pytest-codspeed" / "bin" / "python"
    assert str(environments.CONSTRAINTS) in installed[-1]
    assert "pytest-codspeed" in installed[-1]
    interpreter("pytest-codspeed", tmp_path)
    assert len(installed) == 2
    for unfinished in (True, False):
        ready = tmp_path / "pytest-codspeed" / "ready.json"
        if unfinished:
            ready.unlink()
        else:
            ready.write_text(json.dumps({"pytest-codspeed": "0.1"}), encoding="utf-8")
        interpreter("pytest-codspeed", tmp_path)
    assert len(installed) == 6


def test_each_side_is_a_commit(installed: list[list[str]], tmp_path: Path) -> None:
    """Also a head without more turns; a later session adds what it lacks and keeps the others."""
    project = AsvProject(tmp_path)
    project.prepare([0, 18])
    first = {name: project.commit(name) for name in ("base", "head-0", "head-18")}
    AsvProject(tmp_path).prepare([18, 90])
    assert {name: project.commit(name) for name in first} == first
    names = [*first, "head-90"]
    assert len({project.commit(name) for name in names}) == len(names)
    for name, turns in zip(names, (0, 0, 18, 90), strict=True):
        shown = ["git", "show", f"{name}:compared_commit.py"]
        said = subprocess.run(shown, cwd=project.repository, capture_output=True, text=True, check=True).stdout
        assert said == f"TURNS = {turns}\n"


def test_an_interrupted_commit_leaves_no_wrong_side(installed: list[list[str]], tmp_path: Path) -> None:
    """A changed file that was not committed is not taken into the next commit's name."""
    project = AsvProject(tmp_path)
    project.prepare([0])
    (project.repository / "compared_commit.py").write_text("TURNS = 7\n", encoding="utf-8")
    project.prepare([18])
    shown = ["git", "show", "head-18:compared_commit.py"]
    said = subprocess.run(shown, cwd=project.repository, capture_output=True, text=True, check=True).stdout
    assert said == "TURNS = 18\n"


def test_the_user_s_file_about_the_machine_is_left_alone(installed: list[list[str]], tmp_path: Path) -> None:
    """Asv writes it into the home folder, which is one of the tool's own."""
    project = AsvProject(tmp_path)
    assert Path(project.environment()["HOME"]).is_relative_to(tmp_path)
    project.write_settings(tmp_path)
    settings = json.loads((tmp_path / "asv.conf.json").read_text(encoding="utf-8"))
    assert Path(settings["env_dir"]).is_relative_to(tmp_path)


def test_a_command_that_fails_is_shown(tmp_path: Path) -> None:
    """With what it printed."""
    with pytest.raises(SystemExit, match="failed:\nwhat went wrong"):
        environments.execute([sys.executable, "-c", "print('what went wrong'); raise SystemExit(3)"], tmp_path)
