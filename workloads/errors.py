"""The root of every exception this project raises on purpose.

HarnessError                      anything we raise on purpose; the command line prints it as one line
├── UsageError                    an argument, file or value the user gave is wrong (exit code 2)
│   └── GrammarError              a workload expression such as ``lognormal:median=40`` is malformed
└── (``harness.errors`` adds what can go wrong while running)
"""

__all__ = ["GrammarError", "HarnessError", "UsageError"]


class HarnessError(Exception):
    """Anything this project raises on purpose; its text is one clear line for a person.

    `field` names what was given wrongly as a program calls it: a parameter, such as ``instrument``, and `value` what
    was given for it where the text does not stand without it. The command line puts the flag or argument in front of
    the text by which that command takes the field, as in ``--scraper builtin: was not started``.
    """

    def __init__(self, text: str = "", *, field: str = "", value: str = "") -> None:
        super().__init__(text)
        self.field = field
        self.value = value

    @property
    def text(self) -> str:
        """The line without field and value."""
        return str(self.args[0])

    def __str__(self) -> str:
        return f"{self.field} {self.value}: {self.text}" if self.value else self.text


class UsageError(HarnessError):
    """A wrong value given by the user; text and field name it, and the text says what would be right."""


class GrammarError(UsageError):
    """A workload expression is malformed; the text quotes it and says what would be right."""
