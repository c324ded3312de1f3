"""Exceptions raised while running, as one tree with the usage errors of `workloads.errors`.

HarnessError                      anything raised on purpose; the command line prints it as one line
├── UsageError                    wrong flag, file or value: exit code 2
│   └── GrammarError
└── RunError                      the environment did not allow it: exit code 1
    ├── EndpointError             an address or port could not be bound
    ├── InstrumentError           a way of recording could not be loaded or misbehaved
    ├── ScraperError              a scraper did not start, or died
    └── SaveError                 something measured could not be written
"""

from collections.abc import Mapping

from workloads.errors import GrammarError, HarnessError, UsageError

__all__ = [
    "EndpointError",
    "GrammarError",
    "HarnessError",
    "InstrumentError",
    "RunError",
    "SaveError",
    "ScraperError",
    "UsageError",
    "from_answer",
    "to_answer",
]

# Characters that are told of what another process said.
_LONGEST = 2000


class RunError(HarnessError):
    """The machine or one of the parts did not do what was asked; the text says which and what would help."""


class EndpointError(RunError):
    """An address or port could not be bound."""


class InstrumentError(RunError):
    """A way of recording could not be loaded or misbehaved."""


class ScraperError(RunError):
    """A scraper did not start, did not find its target, or died."""


class SaveError(RunError):
    """Something measured could not be written."""


def to_answer(error: HarnessError) -> dict[str, str]:
    """Return an exception as one process tells it to another, in JSON."""
    return {"error": error.text, "kind": type(error).__name__, "field": error.field, "value": error.value}


def from_answer(answer: Mapping[str, object]) -> HarnessError:
    """Return the exception that `to_answer` told, a `RunError` where its kind is not known here."""
    kind = globals().get(str(answer["kind"]))
    known = kind if isinstance(kind, type) and issubclass(kind, HarnessError) else RunError
    text, field, value = (_line(answer.get(name, "")) for name in ("error", "field", "value"))
    return known(text, field=field, value=value)


def _line(text: object) -> str:
    """Return what another process said as one line of bounded length."""
    line = " ".join(str(text).splitlines())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}… ({len(line):,} characters)"
