"""Measures the answer to a question of ``harness overhead``, prints it, writes it and keeps it."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.actions.overhead import plan
from harness.cli.console import Bar, print_view
from harness.cli.files import check_writable, save_json
from harness.cli.store import keep_result
from harness.cli.system import INTERRUPTED
from harness.errors import SaveError
from harness.interrupts import deferred, held
from harness.measure.questions.answer import Answer

__all__ = ["ask", "exit_code"]


def exit_code(answer: Answer) -> int:
    """Return 130 after Ctrl-C, 1 where an experiment is void or the self-test missed what was put in, else 0."""
    if answer.interrupted:
        return INTERRUPTED
    void = any(each.verdict == "void" for each in answer.experiments)
    missed = answer.self_test is not None and any(each.close is False for each in answer.self_test.delays)
    return 1 if void or missed else 0


def _print(answer: Answer, markdown: str | None) -> None:
    from harness.report.answer import answer_markdown, answer_view

    if markdown is not None:
        text = answer_markdown(answer)
        if markdown == "-":
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        try:
            Path(markdown).write_text(text, encoding="utf-8")
        except OSError as error:
            raise SaveError(f"--markdown: {markdown!r}: {error.strerror}") from error
    print_view(answer_view(answer))


def ask(
    question: str, flags: Mapping[str, Any], *, json_file: Path | None, markdown: str | None, quiet: bool,
    store: Path | None, label: str, no_save: bool,
) -> int:  # fmt: skip
    """Measure, then write, keep and print what was found, each whatever becomes of the others; return the exit code."""
    measure = plan(question, flags)
    # Found out before minutes of measuring, not after them.
    if json_file is not None:
        check_writable(json_file, "--json")
    if markdown is not None and markdown != "-":
        check_writable(Path(markdown), "--markdown")
    with deferred():
        with Bar(quiet=quiet) as bar:
            answer = measure(bar)
        with held():
            try:
                if json_file is not None:
                    save_json(answer.document(), json_file)
            finally:
                # Delays put in on purpose say nothing about recording; nor does what found nothing.
                result = answer.experiments or answer.scrapes or answer.saturation or answer.exposition or answer.loops
                save = bool(result) and answer.mode != "self-test" and not no_save
                try:
                    keep_result("overhead", answer.document(), store=store, label=label, save=save, quiet=quiet)
                finally:
                    _print(answer, markdown)
    return exit_code(answer)
