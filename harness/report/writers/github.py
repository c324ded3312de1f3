"""Sections for GitHub Actions: the summary of a job, and annotations."""

import re

from harness.report.tables import Section
from harness.report.text import inert, markdown
from harness.report.writers.markdown import write_markdown

__all__ = ["annotation", "without_commands", "write_summary"]

# What the runner acts on in a job's log: at the beginning of a line, and in the older form anywhere in it.
_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#\[)", re.MULTILINE)


def write_summary(section: Section) -> str:
    """Return a section of GitHub-flavoured Markdown, its conclusion, which is the last part, first."""
    *parts, conclusion = section.parts
    return f"## {markdown(inert(section.title))}\n\n{write_markdown([conclusion, *parts])}"


def annotation(level: str, title: str, message: str) -> str:
    """Return a workflow command; nothing in a message can end it or begin another."""
    return f"::{level} title={_property(title)}::{_data(without_commands(inert(message)))}"


def without_commands(text: str) -> str:
    """Return lines of a job's log, none of which the runner takes for a workflow command."""
    return _COMMAND.sub(lambda found: rf"{found[1]}\x3a" if found[1] is not None else r"\x23", text)


def _data(text: str) -> str:
    """Escape the message of a workflow command, as GitHub's toolkit does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
