"""Text from outside, made harmless: for a terminal, a page, a line of plain text and Markdown."""

import re
import unicodedata

__all__ = ["clean", "inert", "markdown"]

_LONGEST = 1000
# Characters that reorder or hide what stands beside them: https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
_REORDERING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C, 0x2028, 0x2029, 0xFEFF}
_LAYOUT = {"\n", "\t"}
# Markup, entities, mentions, issue references and the ends of cells; a colon only where it makes a link or an emoji.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~$&@]|:(?=//|[\w+-]+:))")


def _visible(character: str) -> str:
    code = ord(character)
    category = unicodedata.category(character)
    hidden = category in {"Cc", "Cs", "Cn"} and character not in _LAYOUT
    if not hidden and code not in _REORDERING:
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def clean(text: str, longest: int = _LONGEST) -> str:
    """Return text that shows what it holds: controls, lone surrogates and reordering marks are written out.

    Longer text than `longest` characters is cut, and says how long it was.
    """
    cut = text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"
    return cut if cut.isascii() and cut.isprintable() else "".join(map(_visible, cut))


def inert(text: str) -> str:
    """Return text from outside so that it is one line, can be encoded, and does nothing to a terminal.

    The thin space that parts thousands stays.
    """
    encodable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(letter if letter.isprintable() or letter == "\u202f" else repr(letter)[1:-1] for letter in encodable)


def markdown(text: str) -> str:
    """Return text that Markdown shows as it is, on one line and within one cell of a table."""
    return _MARKDOWN.sub(r"\\\1", clean(text).replace("\n", " "))
