"""The heap that the garbage collector walks in a measured process: the subject's objects, and optional further ones.

The harness's own objects are frozen; full collections would otherwise walk them at the subject's expense.
"""

import gc

from harness.measure.subject import Subject

__all__ = ["application_heap", "prepare_heap"]

# Objects of a record: an instance, its dictionary of values, a list in that, and a tuple with a link.
_PARTS = 4
# Each record is linked to a distant one, as in a program that has run for a while.
_STRIDE = 7919


class _Record:
    __slots__ = ("link", "values")

    def __init__(self, number: int, link: object) -> None:
        items = [number, number + 1, number + 2]
        self.values = {"id": f"record {number}", "items": items, "size": number}
        self.link = (items, link)


def application_heap(objects: int) -> list[object]:
    """Return a list with exactly `objects` objects that the garbage collector tracks, including itself.

    They are instances, dictionaries, lists and tuples in equal parts, cross-linked, about 100 bytes each.
    """
    heap: list[object] = []
    for number in range(max(0, objects - 1) // _PARTS):
        heap.append(_Record(number, heap[number * _STRIDE % number] if number else None))
    heap += [[] for _ in range(max(0, objects - 1) % _PARTS)]
    return heap


def prepare_heap(subject: Subject) -> list[object]:
    """Prepare this process for building `subject`; return the objects that have to live during the measurement.

    Call it when the harness has created all of its own objects. Objects that the subject creates afterwards, above all
    its series, are walked by collections as in the user's program.
    """
    gc.collect()
    gc.freeze()
    return application_heap(subject.heap) if subject.heap else []
