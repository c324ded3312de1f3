"""The root of every exception this project raises on purpose.

HarnessError                      anything we raise on purpose; the command line prints it as one line
├── UsageError                    a flag, file or value the user gave is wrong (exit code 2)
│   └── GrammarError              a workload expression such as ``lognormal:median=40`` is malformed
└── (``harness.errors`` adds what can go wrong while running)
"""

__all__ = ["GrammarError", "HarnessError", "UsageError"]


class HarnessError(Exception):
    """Anything this project raises on purpose; its text is one clear line for a person.

    `field` names what was given wrongly as a program calls it: a parameter, such as ``instrument``. The command line
    puts the flag or argument in front of the text by which that command takes it, and after the flag the `value` that
    the text is about, as in ``--scraper builtin: was not started``.
    """

    def __init__(self, text: str = "", *, field: str = "", value: str = "") -> None:
        super().__init__(text)
        self.field = field
        self.value = value


class UsageError(HarnessError):
    """Something the user gave is wrong; text and field name it, and the text says what would be right."""


class GrammarError(UsageError):
    """A workload expression is malformed; the text quotes it and says what would be right."""
