"""One load run in a fresh process of its own, as the unit of saturation and of scrape experiments."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

from harness.errors import HarnessError, RunError, from_answer, to_answer
from harness.load.pump import Progress
from harness.measure.processes import PROJECT
from harness.run.result import RunResult
from harness.run.spec import RunSpec

__all__ = ["main", "run_trial"]

_TIMEOUT_S = 120.0


class _Quiet:
    """Hears how the run stands and says nothing."""

    def phase(self, text: str) -> None:
        """Ignore it."""

    def progress(self, progress: Progress, scrapes: int, failed_scrapes: int) -> None:
        """Ignore it."""


def run_trial(spec: RunSpec, core: int | None = None, environment: Mapping[str, str] | None = None) -> RunResult:
    """Run `spec` in a fresh process, pinned to `core` where one is given, and return its result.

    Raises `RunError` when the process fails, or the `HarnessError` that the run met.
    """
    request = json.dumps({"spec": spec.model_dump(mode="json"), "core": core})
    search = os.pathsep.join(part for part in (PROJECT, os.environ.get("PYTHONPATH", "")) if part)
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "harness.measure.trial", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {}), "PYTHONPATH": search},
        process_group=0,
    ) as process:
        try:
            out, err = process.communicate(request.encode(), timeout=_TIMEOUT_S)
        except BaseException:
            process.kill()
            raise
    if process.returncode or not out:
        said = err.decode(errors="replace").strip().splitlines()
        raise RunError(f"a run of {spec.instrument} ended with {process.returncode}: {said[-1] if said else 'no word'}")
    answer = json.loads(out)
    if "error" in answer:
        raise from_answer(answer)
    return RunResult.model_validate(answer)


def main() -> None:
    """Run the spec on standard input and print its result."""
    from harness.measure.worker import die_with_parent, private_output
    from harness.run.execute import execute

    die_with_parent(int(sys.argv[1]))
    with private_output() as output:
        request = json.loads(sys.stdin.read())
        if request["core"] is not None:
            os.sched_setaffinity(0, {request["core"]})
        try:
            text = execute(RunSpec.model_validate(request["spec"]), _Quiet()).model_dump_json()
        except HarnessError as error:
            text = json.dumps(to_answer(error))
        output.write(text.encode())


if __name__ == "__main__":
    main()
