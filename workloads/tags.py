"""The three tags of a line."""

from typing import NamedTuple

__all__ = ["ERROR", "OK", "Tags"]

OK = "OK"
ERROR = "ERROR"


class Tags(NamedTuple):
    """Values of the quickstart's tag keys; an empty ``error`` means the tag is not set."""

    method: str = "repl"
    status: str = OK
    error: str = ""

    def refused(self, kind: str) -> "Tags":
        """Return the tags of the same line after it was refused for the reason `kind`."""
        return Tags(self.method, ERROR, kind)
