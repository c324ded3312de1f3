"""Attributes set on OpenCensus' objects and classes, and their removal."""

from typing import Any

__all__ = ["Hooks"]


class Hooks:
    """Remembers what stood where something was put."""

    def __init__(self) -> None:
        self._set: list[tuple[Any, str, bool, Any]] = []

    def put(self, target: Any, **attributes: Any) -> None:
        """Set attributes on `target` itself; where it is an object, its class stays as it is."""
        for name, value in attributes.items():
            # As it is stored: a method read through its class would lose its being static.
            own = vars(target)
            self._set.append((target, name, name in own, own.get(name)))
            setattr(target, name, value)

    def undo(self) -> None:
        """Restore everything, last set first."""
        while self._set:
            target, name, had, before = self._set.pop()
            if had:
                setattr(target, name, before)
            else:
                delattr(target, name)
