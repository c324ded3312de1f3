"""Cheaper methods for OpenCensus' tag classes with the same results: validation in C, no copies of valid values.

`TagKey`, `TagValue` and `TagMap` themselves get the methods, since programs import the classes by name long before
anything is installed. What the methods below do not treat they leave to the library's own.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from typing import Any

from opencensus.tags.tag_key import TagKey
from opencensus.tags.tag_map import TagMap
from opencensus.tags.tag_value import TagValue

from opencensus_lean.hooks import Hooks

__all__ = ["give_back", "take_over"]

# The limit that the library has in its `is_valid_tag_name` and `is_valid_tag_value`.
_LONGEST = 255

_lock = threading.Lock()
_hooks = Hooks()
_users = 0


def _is_legal(text: Any) -> bool:
    """Tell whether the library finds nothing wrong with the characters and the length of a plain string."""
    # Of ASCII, 32 to 126 is what `isprintable` accepts.
    return len(text) <= _LONGEST and text.isascii() and text.isprintable()


def _key_maker(library: Callable[..., Any]) -> Callable[..., Any]:
    new = str.__new__

    @wraps(library)
    def make(cls: Any, name: Any) -> Any:
        # Only a plain string is sure to be what it looks like. The library converts or refuses all else.
        if type(name) is str and cls is TagKey and name and _is_legal(name):
            return new(cls, name)
        return library(cls, name)

    return make


def _value_maker(library: Callable[..., Any]) -> Callable[..., Any]:
    new, longest = str.__new__, _LONGEST

    @wraps(library)
    def make(cls: Any, value: Any) -> Any:
        # `_is_legal` written out: values are made for each line, keys hardly.
        if type(value) is str and cls is TagValue and len(value) <= longest and value.isascii() and value.isprintable():
            return new(cls, value)
        return library(cls, value)

    return make


@wraps(TagMap.__init__)
def _init(self: Any, tags: Any = None) -> None:
    self.map = OrderedDict(tags) if tags else OrderedDict()


@wraps(TagMap.insert)
def _insert(self: Any, key: Any, value: Any) -> None:
    tags = self.map
    if key in tags:
        return
    # The library stores an equal copy of each; both are immutable and were validated when they were made.
    if type(key) is not TagKey:
        key = TagKey(key)
    tags[key] = value if type(value) is TagValue else TagValue(value)


def take_over() -> None:
    """Give the tag classes the methods above, until `give_back` was called as many times."""
    global _users
    with _lock:
        _users += 1
        if _users > 1:
            return
        _hooks.put(TagKey, __new__=staticmethod(_key_maker(TagKey.__new__)))
        _hooks.put(TagValue, __new__=staticmethod(_value_maker(TagValue.__new__)))
        _hooks.put(TagMap, __init__=_init, insert=_insert)


def give_back() -> None:
    """Restore the library's own methods when the last user is gone."""
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            _hooks.undo()
