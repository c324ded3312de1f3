"""Check of a page by Prometheus' own promtool."""

import shutil
import subprocess
import tempfile

from harness.audit.findings import Finding, Name
from harness.deadline import Deadline, DeadlineError
from harness.exposition.page import Page

__all__ = ["check_with_promtool"]

MAX_EXAMPLES = 5
# It is started anew for each page; this is far more than a page of any size takes it.
PROMTOOL_S = 30.0


def check_with_promtool(page: Page, deadline: Deadline | None = None) -> Finding | None:
    """Return the complaints of ``promtool check metrics`` about the page (text format); None when it accepts it.

    Where promtool is not found, or does not answer before the deadline (30 s by default), that is a finding too, of no
    weight.
    """
    program = shutil.which("promtool")
    if program is None:
        return Finding(Name.PROMTOOL_MISSING, 1, {"reason": "promtool is not on PATH"})
    try:
        code, said = _run(program, page.text.encode(), deadline or Deadline(PROMTOOL_S))
    except (OSError, DeadlineError) as error:
        reason = str(error) if isinstance(error, DeadlineError) else f"promtool failed: {type(error).__name__}"
        return Finding(Name.PROMTOOL_MISSING, 1, {"reason": reason})
    if code == 0:
        return None
    lines = [line for line in said.splitlines() if line.strip()]
    reason = lines[0] if lines else f"exit code {code}"
    return Finding(Name.PROMTOOL_REJECTS, max(1, len(lines)), {"reason": reason, "examples": lines[:MAX_EXAMPLES]})


def _run(program: str, text: bytes, deadline: Deadline) -> tuple[int, str]:
    """Return the exit code and all output, errors first; files replace pipes, so that nobody has to feed them."""
    what = "promtool did not answer"
    with tempfile.TemporaryFile() as page, tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as output:
        page.write(text)
        page.seek(0)
        with subprocess.Popen(  # noqa: S603 - the program found on PATH, with fixed arguments
            [program, "check", "metrics"], stdin=page, stdout=output, stderr=errors, start_new_session=True
        ) as process:
            try:
                while process.poll() is None:
                    try:
                        process.wait(deadline.glance_s(what))
                    except subprocess.TimeoutExpired:
                        continue
            except BaseException:
                process.kill()
                raise
        said = b""
        for stream in (errors, output):
            stream.seek(0)
            said += stream.read()
        return process.returncode, said.decode(errors="replace")
