"""The text that lines are cut from: pieces made by Faker from the seed, joined into a long text."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

from workloads.forms import MAX_LINE_BYTES
from workloads.streams import derive

if TYPE_CHECKING:
    from faker import Faker

__all__ = ["Corpus", "JsonCorpus", "Text", "make_corpus"]

_PAD = "."
# What ends a line somewhere: str.splitlines, terminals, C strings. None of it may stand in a good line.
_LINE_ENDS = dict.fromkeys(map(ord, "\0\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), " ")
# When the log was written: fixed, for a seed must give the same lines tomorrow.
_LOGGED = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC))
# The longest cut: an over-long line made on purpose.
_LONGEST = 2 * MAX_LINE_BYTES


class Corpus(Protocol):
    """Text that lines can be cut from."""

    def cut(self, place: int, length: int) -> str:
        """Return exactly `length` bytes of UTF-8 (0 to 128 KiB) from the position chosen by `place`, from 0 on."""


class Text:
    """A continuous text and the positions where its pieces (words, sentences, records) start."""

    __slots__ = ("_ascii", "_bytes", "_starts", "_text")

    def __init__(self, pieces: Iterable[str], joint: str = " ") -> None:
        stored = [piece.translate(_LINE_ENDS) + joint for piece in pieces]
        text = "".join(stored)
        raw = text.encode()
        self._starts = [0, *accumulate(len(piece.encode()) for piece in stored)][:-1]
        # The text goes round, so that the longest line can start anywhere.
        rounds = 2 + _LONGEST // len(raw)
        self._bytes = raw * rounds
        self._text = text * rounds
        self._ascii = text.isascii()

    def cut(self, place: int, length: int) -> str:
        """Cut from the start of a piece; where the end would split a character, full stops replace it."""
        start = self._starts[place % len(self._starts)]
        end = start + length
        if self._ascii:
            return self._text[start:end]
        while self._bytes[end] & 0xC0 == 0x80:  # a continuation byte (RFC 3629)
            end -= 1
        return self._bytes[start:end].decode() + _PAD * (start + length - end)


class JsonCorpus:
    """Valid JSON of any length from 1 byte: an object where one fits, otherwise a string, otherwise a digit."""

    __slots__ = ("_heads", "_text")

    _LEAST_HEAD = '{"text": "'
    _TAIL = '"}'

    def __init__(self, heads: list[str], text: Text) -> None:
        self._heads = heads
        self._text = text

    def cut(self, place: int, length: int) -> str:
        """Cut words for the object's last value, so that the total has the length."""
        for head in (self._heads[place % len(self._heads)], self._LEAST_HEAD):
            room = length - len(head) - len(self._TAIL)
            if room >= 0:
                return head + self._text.cut(place, room) + self._TAIL
        if length >= 2:
            return f'"{self._text.cut(place, length - 2)}"'
        return str(place % 10)[:length]


def make_corpus(kind: str, seed: int) -> Corpus:
    """Return the corpus of one of the names of `content`, the same for the same seed and Faker version."""
    return _CORPORA[kind](_faker("en_US", seed, kind))


def _faker(locale: str, seed: int, kind: str) -> "Faker":
    from faker import Faker  # here, because loading it takes 0.15 s that help texts need not wait for

    fake = Faker(locale)
    fake.seed_instance(derive(seed, f"content/{kind}/{locale}", 64))
    return fake


def _many(make: Callable[[], str], n: int) -> list[str]:
    return [make() for _ in range(n)]


def _words(fake: "Faker") -> Corpus:
    return Text(fake.words(20_000))


def _sentences(fake: "Faker") -> Corpus:
    return Text(_many(fake.sentence, 2_000))


def _names(fake: "Faker") -> Corpus:
    # A whole name takes Faker 0.1 ms; hundreds of first and last names give tens of thousands of people.
    choices = fake.random.choices
    first, last = _many(fake.first_name, 300), _many(fake.last_name, 300)
    return Text(map(" ".join, zip(choices(first, k=8_000), choices(last, k=8_000), strict=True)), ", ")


def _log(fake: "Faker") -> Corpus:
    choices, number = fake.random.choices, fake.random.randrange
    hosts, users, agents = _many(fake.ipv4, 200), ["-", *_many(fake.user_name, 50)], _many(fake.user_agent, 200)
    paths = _many(lambda: f"/{fake.uri_path()}/{fake.word()}.html", 300)
    days = _many(lambda: fake.date_time_between_dates(*_LOGGED).strftime("%d/%b/%Y:%H:%M:"), 50)

    def record() -> str:
        host, user, agent, path, day = (choices(of)[0] for of in (hosts, users, agents, paths, days))
        status = choices((200, 304, 404, 500), (90, 5, 4, 1))[0]
        request = f'"{choices(("GET", "POST"), (9, 1))[0]} {path} HTTP/1.1"'
        return f'{host} - {user} [{day}{number(60):02d} +0000] {request} {status} {number(50_000)} "-" "{agent}"'

    return Text(_many(record, 1_000))


def _json(fake: "Faker") -> Corpus:
    choices = fake.random.choices
    users, levels = _many(fake.user_name, 50), ("debug", "info", "warning", "error")

    def head() -> str:
        record = {"id": fake.random.randrange(10**6), "user": choices(users)[0], "level": choices(levels)[0]}
        return json.dumps(record).removesuffix("}") + ', "text": "'

    return JsonCorpus(_many(head, 1_000), Text(fake.words(20_000)))


def _unicode(fake: "Faker") -> Corpus:
    seed = fake.random.getrandbits(64)
    russian, japanese = (_faker(locale, seed, "unicode") for locale in ("ru_RU", "ja_JP"))
    sources = (fake.words(500), russian.words(500), japanese.words(500), _many(fake.emoji, 200))
    mixed = fake.random.choices
    return Text(mixed(mixed(sources)[0])[0] for _ in range(12_000))


def _ascii(fake: "Faker") -> Corpus:
    printable = [chr(code) for code in range(0x20, 0x7F)]
    return Text(fake.random.choices(printable, k=MAX_LINE_BYTES), "")


_CORPORA: dict[str, Callable[["Faker"], Corpus]] = {
    "words": _words,
    "sentences": _sentences,
    "names": _names,
    "log": _log,
    "json": _json,
    "unicode": _unicode,
    "ascii": _ascii,
}
