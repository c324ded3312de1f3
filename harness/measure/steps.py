"""The rungs of the ladder, as plain data: the steps of each, which include all steps of the rung below."""

from dataclasses import dataclass

from harness.errors import UsageError

__all__ = ["RUNGS", "Rung", "rung_named"]


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung: `name` for files and flags, `title` for readers, and which steps it includes."""

    name: str
    title: str
    clocked: bool = True
    mapped: bool = True
    recorded: bool = True
    views: int = 4
    copying: bool = True
    exported: bool = False
    served: bool = False
    scraped: bool = False


RUNGS = (
    Rung("bare", "bare REPL: upper-case and write", clocked=False, mapped=False, recorded=False, views=0),
    Rung("clock", "two clock reads", mapped=False, recorded=False, views=0),
    Rung("map", "tag map and measurement map built", recorded=False, views=0),
    Rung("no-view", "recorded, no view registered", views=0, copying=False),
    Rung("1-view", "1 view", views=1, copying=False),
    Rung("2-views", "2 views", views=2, copying=False),
    Rung("3-views", "3 views", views=3, copying=False),
    Rung("4-views", "4 views (the fourth only sees refused lines)", copying=False),
    Rung("copy", "a copy of every series at each record"),
    Rung("exporter", "exporter attached", exported=True),
    Rung("endpoint", "endpoint up, nobody asks", exported=True, served=True),
    Rung("scraped", "endpoint scraped", exported=True, served=True, scraped=True),
)


def rung_named(name: str) -> Rung:
    """Return the rung called `name`; raise `UsageError` with the valid names where there is none."""
    for rung in RUNGS:
        if rung.name == name:
            return rung
    raise UsageError(f"there is no rung {name!r}; choose one of {', '.join(rung.name for rung in RUNGS)}")
