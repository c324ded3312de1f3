"""A tour through all incidents, one after the other."""

from workloads.incidents import KINDS, Incident

__all__ = ["tour", "words"]

# A restart follows the label explosion, whose series it clears away. The flood comes last: what forms a queue (a stall,
# slow lines) is over long before it, so that its lines are the only ones that are handled so fast.
_ORDER = ("errors", "long-lines", "silence", "stall", "slow", "bad-deploy", "series", "restart", "flood")


def tour(length_ns: int) -> tuple[Incident, ...]:
    """Return every incident in a tour of that length: each has a tenth of it and lasts for the first half of that.

    A twentieth of the tour comes before the first and remains after the last.
    """
    part_ns = max(length_ns // (len(_ORDER) + 1), 2)
    return tuple(
        Incident(kind, part_ns // 2 + number * part_ns, 0 if kind == "restart" else part_ns // 2)
        for number, kind in enumerate(_ORDER)
    )


def words(incident: Incident) -> str:
    """Return a line of explanation for a reader of the tour: what happens, what is to be seen, which alert fires."""
    about = KINDS[incident.kind]
    lasts = f" for {incident.duration_ns / 1e9:g} s" if incident.duration_ns else ""
    return f"{incident.kind}{lasts}: {about.does}. {about.shows} Alert: {about.alert}."
