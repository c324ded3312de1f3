"""What the garbage collector walks in a measured process: the subject's objects, and a big program's if asked for.

What the harness holds is hidden from it; a full collection would otherwise walk that at the subject's expense.
"""

import gc

from harness.measure.subject import Subject

__all__ = ["application_heap", "prepare_heap"]

# What a record is made of: an instance, its dictionary of values, a list in that, and a tuple with a link.
_PARTS = 4
# Records are linked to one far away, as the objects of a program that has run for a while are.
_STRIDE = 7919


class _Record:
    __slots__ = ("link", "values")

    def __init__(self, number: int, link: object) -> None:
        items = [number, number + 1, number + 2]
        self.values = {"id": f"record {number}", "items": items, "size": number}
        self.link = (items, link)


def application_heap(objects: int) -> list[object]:
    """Return a list that holds exactly `objects` objects which the garbage collector tracks, itself among them.

    They are instances, dictionaries, lists and tuples in equal parts, linked across, some 100 bytes each.
    """
    heap: list[object] = []
    for number in range(max(0, objects - 1) // _PARTS):
        heap.append(_Record(number, heap[number * _STRIDE % number] if number else None))
    heap += [[] for _ in range(max(0, objects - 1) % _PARTS)]
    return heap


def prepare_heap(subject: Subject) -> list[object]:
    """Prepare this process for building `subject`; return the objects that have to live as long as it is measured.

    To be called when the harness has made everything of its own. What the subject imports and builds afterwards, its
    series above all, is walked by collections as it would be in the user's program.
    """
    gc.collect()
    gc.freeze()
    return application_heap(subject.heap) if subject.heap else []
