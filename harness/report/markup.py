"""Builds HTML and SVG as a tree and never as text, so that no word from outside can become markup.

Every piece of text and every attribute value goes through `clean` and is escaped by the standard library's serialiser;
tags are balanced by construction. Scripts and styles are the only raw text, and those are files of this package.
"""

import math
from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

from harness.report.text import clean

__all__ = ["Attribute", "Child", "Element", "h", "outside", "page_text", "svg_text"]

Attribute = str | int | float | bool | None
Child = Element | str | int | float | None | Iterable["Child"]


def _attribute(value: float | str) -> str:
    # Attributes carry whole point lists for the pictures, so only text is cut, and that where it is made.
    return clean(value, longest=10**7) if isinstance(value, str) else number(value)


def number(value: float) -> str:
    """Return a coordinate in at most two decimals; what is not finite has no place in a picture and becomes 0."""
    if not math.isfinite(value):
        return "0"
    return f"{float(value):.2f}".rstrip("0").rstrip(".")


def h(tag: str, /, *children: Child, **attributes: Attribute) -> Element:
    """Return an element; ``class_`` stands for class, ``stroke_width`` for stroke-width, True for a bare attribute.

    None and False leave an attribute out. Children may nest in lists; None is left out.
    """
    element = Element(tag)
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        written = name.rstrip("_").replace("_", "-")
        element.set(written, "" if value is True else _attribute(value))
    _append(element, children)
    return element


def _append(element: Element, children: Iterable[Child]) -> None:
    for child in children:
        if isinstance(child, Element):
            element.append(child)
        elif isinstance(child, str):
            _add_text(element, clean(child))
        elif isinstance(child, int | float):
            _add_text(element, number(child))
        elif child is not None:
            _append(element, child)


def _add_text(element: Element, text: str) -> None:
    if len(element):
        element[-1].tail = (element[-1].tail or "") + text
    else:
        element.text = (element.text or "") + text


def raw(tag: str, text: str, **attributes: Attribute) -> Element:
    """Return a script or style element with a text of this package's own, written as it is."""
    element = h(tag, **attributes)
    element.text = text
    return element


def outside(text: str) -> Element:
    """Return text from outside, whose writing direction does not reach what stands beside it."""
    return h("bdi", text)


def page_text(root: Element) -> str:
    """Return a whole HTML page."""
    return "<!doctype html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def svg_text(root: Element) -> str:
    """Return an SVG file; the root gets the namespace that a file needs and a page does not."""
    root.set("xmlns", "http://www.w3.org/2000/svg")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"
