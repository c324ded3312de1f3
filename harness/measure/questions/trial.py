"""A load run in a fresh process of its own."""

import json
import os
import sys
from collections.abc import Mapping

from harness.children import ISOLATED, own_folder, python_path, run_to_end
from harness.errors import HarnessError, RunError, from_answer, to_answer
from harness.load.pump import Snapshot
from harness.measure.deadlines import trial_within_s
from harness.run.result import RunResult
from harness.run.spec import RunSpec

__all__ = ["main", "run_trial"]

# The assumed duration of a run that is limited by a number of lines only.
_UNBOUNDED_S = 300.0


class _Quiet:
    """A display that ignores all progress."""

    def phase(self, text: str) -> None:
        """Ignore it."""

    def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
        """Ignore it."""


def run_trial(spec: RunSpec, core: int | None = None, environment: Mapping[str, str] | None = None) -> RunResult:
    """Run `spec` in a fresh process, pinned to `core` where one is given, and return its result.

    Raise `RunError` where the process fails, or the `HarnessError` of the run.
    """
    request = json.dumps({"spec": spec.model_dump(mode="json"), "core": core})
    process = run_to_end(
        [sys.executable, *ISOLATED, "-m", "harness.measure.questions.trial", str(os.getpid())],
        what=f"a run of {spec.instrument}",
        within_s=trial_within_s(_UNBOUNDED_S if spec.duration_ns is None else spec.duration_ns / 1e9),
        given=request.encode(),
        environment={**os.environ, **(environment or {}), "PYTHONPATH": python_path(own_folder())},
    )
    if process.code or not process.output:
        raise RunError(f"a run of {spec.instrument} ended with {process.code}: {process.last_word}")
    answer = json.loads(process.output)
    if "error" in answer:
        raise from_answer(answer)
    return RunResult.model_validate(answer)


def main() -> None:
    """Run the spec on standard input and print its result."""
    from harness.measure.worker.blocks import die_with_parent, private_output
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
