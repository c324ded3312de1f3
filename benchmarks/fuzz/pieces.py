"""Bytes and JSON documents that are spoilt, as short descriptions that can be kept as examples.

`pieces` are ``[text, times]`` pairs: each character is one byte (Latin-1), and the text is repeated. `spoilt documents`
name a sample and the edits made to it.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = [
    "ODD_TEXT", "ODD_VALUES", "document_bytes", "documents", "mutated_text", "pieces", "short", "to_bytes", "zeros",
]  # fmt: skip

Pieces = Sequence[Sequence[Any]]

ODD_TEXT = [
    "", " ", "\0", "\n", "\r\n", "\t", "\x1b[31mred", "\x1b]0;title\x07", "é", "\ud800", "\U0001f600", "‮abc", "%", "%n",
    "-", "--", "-1", "+1", "0", "00", "1e999", "1e-999", "1e308", "-0", "inf", "nan", "NaN", "Infinity", "9" * 400,
    "0x10", "1_000", "١٢", "½", "½µs", "٣s", "1/0", "'", '"', '"""', "\\", "${HOME}", "$(id)", "`id`", "{}", "{0}",
    "{a.__class__}", "[bold]x[/bold]", "[/]", "[red", "<script>", "::error::x", "a" * 300, "a" * 5000, "null", "true",
    "tcp://", "[::1]", "1.2.3.4.5", "..", ".", "*", "~", "#", ";", ":", ",", "=", "+", "*1", "1*", "@", "&", "|",
]  # fmt: skip
# JSON values that no document has, as pieces of raw JSON text.
ODD_VALUES: list[list[list[Any]]] = [
    [["null", 1]], [["true", 1]], [["0", 1]], [["-1", 1]], [["1.5", 1]], [["-0.0", 1]], [["NaN", 1]], [["Infinity", 1]],
    [["-Infinity", 1]], [["1e308", 1]], [["-1e308", 1]], [["1e-320", 1]], [["1e999", 1]], [["9223372036854775808", 1]],
    [["1", 1], ["0", 400]], [["9", 5000]], [["-", 1], ["9", 30]], [['""', 1]], [['" "', 1]], [['"\\ud800"', 1]],
    [['"\\u0000"', 1]], [['"\\u001b[31m"', 1]], [['"a\\nb"', 1]], [['"', 1], ["x", 100000], ['"', 1]], [["[]", 1]],
    [["{}", 1]], [["[", 500], ["]", 500]], [["[", 3000], ["]", 3000]], [["[", 100000], ["]", 100000]],
    [['{"a":', 900], ["1", 1], ["}", 900]], [["[0", 1], [",0", 50000], ["]", 1]], [['"0001-01-01T00:00:00+23:59"', 1]],
    [['"9999-12-31T23:59:59-23:59"', 1]], [['"run"', 1]], [['"overhead"', 1]], [["2", 1]], [["[null]", 1]], [["[{}]",
    1]],
    [["[1,2]", 1]], [["[2,1]", 1]], [["[0,0]", 1]], [["[-1,1e300]", 1]], [['"$bomb"', 1]], [['"../../x"', 1]],
    [['1, "kind": "run"', 1]], [['1, "schema_version": 7', 1]], [["1000000000000000000000", 1]], [["{", 1]],
    [["\xff", 1]],
]  # fmt: skip
_PLACE = "\x02place {}\x02"


def to_bytes(given: Pieces) -> bytes:
    """Return the bytes that pieces describe; raises `ValueError` or `TypeError` for what describes none."""
    return b"".join(str(text).encode("latin-1") * int(times) for text, times in given)


def pieces(samples: Sequence[bytes], odd: Sequence[str]) -> SearchStrategy[Any]:
    """Return pieces: a sample that is cut, of which parts are repeated, with odd text put in."""
    texts = [sample.decode("latin-1") for sample in samples]
    inserted = st.sampled_from(list(odd)) | st.text(st.characters(max_codepoint=255), max_size=12)
    times = st.sampled_from([0, 1, 1, 1, 1, 2, 3, 50])

    @st.composite
    def build(draw: DrawFn) -> list[list[Any]]:
        text = draw(st.sampled_from(texts))
        cuts = sorted(draw(st.lists(st.integers(0, len(text)), min_size=0, max_size=4)))
        edges = [0, *cuts, len(text)]
        result: list[list[Any]] = []
        for begin, end in pairwise(edges):
            result.append([text[begin:end], draw(times) if cuts else 1])
            if end != len(text) and draw(st.booleans()):
                result.append([draw(inserted), draw(times)])
        return [each for each in result if each[0] and each[1]]

    return build()


def mutated_text(samples: Sequence[str]) -> SearchStrategy[str]:
    """Return a sample with some characters taken out, put in, or exchanged; sometimes any text at all."""
    odd = st.sampled_from(ODD_TEXT) | st.text(max_size=6)

    @st.composite
    def build(draw: DrawFn) -> str:
        text: str = draw(st.sampled_from(list(samples)))
        for _ in range(draw(st.integers(0, 3))):
            begin = draw(st.integers(0, len(text)))
            end = min(len(text), begin + draw(st.integers(0, 4)))
            text = text[:begin] + draw(odd) + text[end:]
        return text

    return build() | st.text(max_size=40) | st.sampled_from(ODD_TEXT)


def zeros(megabytes: int) -> bytes:
    """Return so many megabytes of zeros as raw deflate data, made at once from a piece that repeats."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return piece * megabytes + packer.flush()


@cache
def bomb(megabytes: int = 600) -> str:
    """Return an encoded histogram that would unpack to so many megabytes."""
    size = megabytes << 20
    # The checksum of zeros, Adler-32.
    packed = b"\x78\xda" + zeros(megabytes) + (size % 65521 << 16 | 1).to_bytes(4, "big")
    head = (0x1C849304 | 0x10).to_bytes(4, "big")
    return base64.b64encode(head + len(packed).to_bytes(4, "big") + packed).decode("ascii")


def documents(samples: Mapping[str, Any]) -> SearchStrategy[Any]:
    """Return spoilt documents: ``{"sample": name, "edits": [[path, pieces or null]], "cut": bytes or null}``.

    An edit puts raw JSON text in the place that its path leads to, or takes the place out.
    """

    @st.composite
    def build(draw: DrawFn) -> dict[str, Any]:
        name = draw(st.sampled_from(sorted(samples)))
        edits = [
            [_path(draw, samples[name]), draw(st.none() | st.sampled_from(ODD_VALUES))]
            for _ in range(draw(st.integers(0, 3)))
        ]
        cut = draw(st.integers(0, 400)) if draw(st.integers(0, 19)) == 0 else None
        return {"sample": name, "edits": edits, "cut": cut}

    return build()


def _path(draw: DrawFn, value: Any) -> list[Any]:
    """Return the keys of a place in a document, however deep."""
    path: list[Any] = []
    while isinstance(value, dict | list) and value:
        key = draw(st.sampled_from(sorted(value))) if isinstance(value, dict) else draw(st.integers(0, len(value) - 1))
        path.append(key)
        value = value[key]
        if draw(st.integers(0, 4)) == 0:
            break
    return path


def document_bytes(given: Mapping[str, Any], samples: Mapping[str, Any]) -> bytes:
    """Return the bytes of a spoilt document."""
    whole = json.loads(json.dumps(samples[given["sample"]]))
    raw: dict[str, bytes] = {}
    for number, (path, value) in enumerate(given["edits"]):
        place = _PLACE.format(number)
        if _edited(whole, path, place, remove=value is None) and value is not None:
            raw[place] = to_bytes(value)
    data = json.dumps(whole).encode()
    for place, text in raw.items():
        data = data.replace(json.dumps(place).encode(), text)
    if b'"$bomb"' in data:
        data = data.replace(b'"$bomb"', json.dumps(bomb()).encode())
    return data if given["cut"] is None else data[: len(data) * given["cut"] // 400]


def _edited(whole: Any, path: Sequence[Any], place: str, *, remove: bool) -> bool:
    """Put `place` where the path leads, or take that out; returns whether there was such a place."""
    for key in path[:-1]:
        if not isinstance(whole, dict | list) or isinstance(whole, dict) != isinstance(key, str):
            return False
        if (isinstance(whole, dict) and key not in whole) or (isinstance(whole, list) and key >= len(whole)):
            return False
        whole = whole[key]
    if not path or not isinstance(whole, dict | list) or isinstance(whole, dict) != isinstance(path[-1], str):
        return False
    if isinstance(whole, list) and path[-1] >= len(whole):
        return False
    if remove:
        whole.pop(path[-1], None) if isinstance(whole, dict) else whole.pop(path[-1])
    else:
        whole[path[-1]] = place
    return True


def short(value: Any, most: int = 2) -> Any:
    """Return a document whose lists have at most so many members: quick to read, and of the same form."""
    if isinstance(value, dict):
        return {key: short(each, most) for key, each in value.items()}
    if isinstance(value, list):
        return [short(each, most) for each in value[:most]]
    return value
