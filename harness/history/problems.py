"""Problems of one stored document, as values: the rest of the history remains usable."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

__all__ = ["Problem", "Trouble"]


class Trouble(Enum):
    """Why a document was left out."""

    DAMAGED = "damaged"
    NEWER = "newer"
    UNREADABLE = "unreadable"


_REMEDY = {
    Trouble.DAMAGED: "restore it from git or a backup, or remove it",
    Trouble.NEWER: "upgrade recording-harness to read it",
    Trouble.UNREADABLE: "check its permissions",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that is left out of the history; `detail` says what is wrong with it."""

    path: Path
    trouble: Trouble
    detail: str

    @property
    def line(self) -> str:
        """One line for a person: the file, what is wrong, and what would help."""
        return f"{self.path.name}: {self.detail}; {_REMEDY[self.trouble]}"
