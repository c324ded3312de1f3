"""Locks held across a fork, so that the child has consistent data and free locks."""

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["after_fork_in_child", "hold_while_forking"]

_lock = threading.RLock()
_held: "weakref.WeakKeyDictionary[Any, Any]" = weakref.WeakKeyDictionary()
_callbacks: "weakref.WeakKeyDictionary[Any, Callable[[Any], None]]" = weakref.WeakKeyDictionary()
_acquired: list[Any] = []


def hold_while_forking(owner: object, lock: Any) -> None:
    """Acquire `lock` before each fork and release it in both processes, for as long as `owner` lives."""
    with _lock:
        _held[owner] = lock


def after_fork_in_child(owner: Any, callback: Callable[[Any], None]) -> None:
    """Call ``callback(owner)`` in the child after each fork, for as long as `owner` lives."""
    with _lock:
        _callbacks[owner] = callback


def _before() -> None:
    _lock.acquire()
    _acquired[:] = list(_held.values())
    for each in _acquired:
        each.acquire()


def _after() -> None:
    while _acquired:
        _acquired.pop().release()
    _lock.release()


def _after_in_child() -> None:
    _after()
    for owner, callback in list(_callbacks.items()):
        callback(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after_in_child)
