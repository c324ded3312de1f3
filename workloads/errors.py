"""The root of every exception this project raises on purpose.

HarnessError                      anything we raise on purpose; the command line prints it as one line
├── UsageError                    a flag, file or value the user gave is wrong (exit code 2)
│   └── GrammarError              a workload expression such as ``lognormal:median=40`` is malformed
└── (``harness.errors`` adds what can go wrong while running)
"""

__all__ = ["GrammarError", "HarnessError", "UsageError"]


class HarnessError(Exception):
    """Anything this project raises on purpose; its text is one clear line for a person.

    `field` names the wrong parameter as a program calls it, such as ``instrument``. The command line puts the flag or
    argument for that parameter in front of the text.
    """

    def __init__(self, text: str = "", *, field: str = "") -> None:
        super().__init__(text)
        self.field = field


class UsageError(HarnessError):
    """A wrong value given by the user; text and field name it, and the text says what would be right."""


class GrammarError(UsageError):
    """A workload expression is malformed; the text quotes it and says what would be right."""
