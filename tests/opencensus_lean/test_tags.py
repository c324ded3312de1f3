"""Tag classes while recording is lean: whatever the library's own would give, refuse or raise."""

import enum
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opencensus.tags import Tag, TagContext, TagKey, TagMap, TagValue
from opencensus.tags.propagation.binary_serializer import BinarySerializer

import opencensus_lean as lean
from harness.instruments.opencensus import PrivateStats
from opencensus_lean import tags as tags_module

CLASSES = (TagKey, TagValue, TagMap)


@contextmanager
def taken_over() -> Iterator[None]:
    tags_module.take_over()
    try:
        yield
    finally:
        tags_module.give_back()


class Text(str):
    """A string that does not show what it holds."""

    __slots__ = ()

    def __str__(self) -> str:
        return "shown"


class Colour(str, enum.Enum):  # noqa: UP042 - unlike a StrEnum it shows its name, not its value
    RED = "red"


class Lying(str):
    """A string that says of itself what is not so."""

    __slots__ = ()

    def isascii(self) -> bool:
        return True

    def isprintable(self) -> bool:
        return True


class _Marking(str):
    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        return str.__new__(cls, f"marked {text}")


class MarkedKey(TagKey, _Marking):  # type: ignore[misc]
    pass


class MarkedValue(TagValue, _Marking):  # type: ignore[misc]
    pass


class Short(TagKey):  # type: ignore[misc]
    pass


class Own(TagValue):  # type: ignore[misc]
    pass


def outcome(made: Callable[[], Any]) -> object:
    """Return what is made, with its type, or the error with its message."""
    try:
        result = made()
    except Exception as error:
        return type(error), str(error)
    return type(result), result, str(result), hash(result)


def same_either_way(made: Callable[[], Any], told: Callable[[Callable[[], Any]], object] = outcome) -> None:
    plain = told(made)
    with taken_over():
        assert told(made) == plain


characters = st.characters(min_codepoint=0, max_codepoint=0x2FF)
texts = st.text(characters, max_size=6) | st.text(st.characters(min_codepoint=31, max_codepoint=128), max_size=300)
strange: list[Any] = [
    None, 7, 1.5, b"bytes", b"", (), ("a",), ["a", "b"], {"k": 1}, Text("held"), Lying("é"), Colour.RED,
    Short("key"), Own("value"),
    TagKey("a key"), TagValue("a value"), "", " ", "~", "\x7f", "\x1f", "é", "\u2028", "x" * 255, "x" * 256,
    "\ud800", object,
]  # fmt: skip


@given(texts)
def test_a_key_or_value_is_made_or_refused_as_before(text: str) -> None:
    """Every string: the same class, text and hash, or the same error with the same words."""
    for kind in (TagKey, TagValue, Short, Own):
        same_either_way(lambda kind=kind: kind(text))  # type: ignore[misc]
    same_either_way(lambda: Tag(text, text))


@pytest.mark.parametrize("given_", strange, ids=repr)
@pytest.mark.parametrize("kind", [TagKey, TagValue, Short, Own, MarkedKey, MarkedValue], ids=lambda kind: kind.__name__)
def test_what_is_no_plain_string_is_converted_or_refused_as_before(kind: Any, given_: Any) -> None:
    """Strings of other classes, enumerations, sequences and what has no length."""
    same_either_way(lambda: kind(given_))


def test_every_character_has_the_same_fate() -> None:
    """The limits 32 and 126, and no other, for all code points of the basic plane."""
    allowed = []
    with taken_over():
        for code in range(0x10000):
            for kind in (TagKey, TagValue):
                try:
                    kind(chr(code))
                except ValueError:
                    continue
                allowed.append(code)
    assert allowed == [code for code in range(32, 127) for _ in range(2)]


@pytest.mark.parametrize("length", [0, 1, 254, 255, 256, 1000])
def test_the_limits_of_length_stay(length: int) -> None:
    same_either_way(lambda: TagKey("x" * length))
    same_either_way(lambda: TagValue("x" * length))


def test_arguments_may_be_named() -> None:
    """The names that the library gives its parameters."""
    with taken_over():
        tags = TagMap(tags=[Tag(key="a", value="b")])
        tags.insert(key=TagKey(name="c"), value=TagValue(value="d"))
        assert list(tags) == [("a", "b"), ("c", "d")]
        assert TagMap.insert.__name__ == "insert"
        assert TagMap.insert.__doc__


keys = st.sampled_from(["a", "b", "", "é", 3, None, Text("a"), TagKey("a"), TagKey("c"), Short("b")])
tag_values = st.sampled_from(["x", "", "é", 4, None, Text("x"), TagValue("x"), TagValue("y"), Own("z"), "v" * 256])
steps = st.one_of(
    st.tuples(st.just("insert"), keys, tag_values),
    st.tuples(st.just("update"), keys, tag_values),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("tag_key_exists"), keys),
    st.tuples(st.just("get_value"), keys),
)


def history(start: Any, asked: list[tuple[Any, ...]]) -> list[object]:
    """Return the outcome of every step and the whole map after it, with the types of all keys and values."""
    tags = TagMap() if start is None else TagMap(start)
    seen: list[object] = [type(tags.map)]
    for name, *arguments in asked:
        seen.append(outcome(lambda name=name, arguments=arguments: getattr(tags, name)(*arguments)))  # type: ignore[misc]
        seen.append([(type(key), key, type(value), value) for key, value in tags])
    return seen


@given(st.sampled_from([None, [], [Tag("c", "1"), Tag("a", "2")], {"b": "3"}]), st.lists(steps, max_size=8))
def test_a_tag_map_goes_through_the_same_states(start: Any, asked: list[tuple[Any, ...]]) -> None:
    """Precedence of the first insert, order, errors and types, over any sequence of calls."""
    plain = history(start, asked)
    with taken_over():
        assert history(start, asked) == plain


def test_what_was_inserted_is_told_apart_by_order_as_before() -> None:
    """The map stays an ordered one: equal only in the same order."""
    with taken_over():
        one, other = TagMap([Tag("a", "1"), Tag("b", "2")]), TagMap()
        other.insert("b", "2")
        other.insert("a", "1")
        assert isinstance(one.map, OrderedDict)
        assert one.map != other.map
        other.delete("b")
        other.insert("b", "2")
        assert one.map == other.map


def test_values_are_objects_of_their_own() -> None:
    """Nobody sees what another writes on a value: no two calls give one object."""
    with taken_over():
        one, other = TagValue("same"), TagValue("same")
        assert one is not other
        one.note = "mine"
        assert not hasattr(other, "note")


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.text("xyz", max_size=3), max_size=4))
def test_propagation_carries_the_same_bytes(pairs: dict[str, str]) -> None:
    """A map goes through the binary form and comes back equal, and the bytes are the library's."""

    def bytes_of() -> bytes:
        tags = TagMap()
        for key, value in pairs.items():
            tags.insert(key, value)
        carried: bytes = BinarySerializer().to_byte_array(tags)
        assert BinarySerializer().from_byte_array(carried).map == tags.map
        return carried

    same_either_way(bytes_of)


def test_the_context_hands_on_the_map_that_was_set() -> None:
    with taken_over():
        tags = TagMap([Tag("a", "1")])
        before = TagContext.get()
        try:
            TagContext.set(tags)
            assert TagContext.get() is tags
        finally:
            TagContext.set(before)


def test_classes_are_as_they_were_when_the_last_exporter_stopped() -> None:
    """Two installations overlap; the one that ends first leaves the other's speed, the last leaves no trace."""
    before = [dict(vars(each)) for each in CLASSES]
    one = lean.install("one", port=None, stats=PrivateStats())
    during = [dict(vars(each)) for each in CLASSES]
    assert during != before
    other = lean.install("other", port=None, stats=PrivateStats())
    one.stop()
    one.stop()
    assert [dict(vars(each)) for each in CLASSES] == during
    other.stop()
    assert [dict(vars(each)) for each in CLASSES] == before
