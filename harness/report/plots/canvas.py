"""The canvas all pictures are drawn on, with title and description, and the marks they share.

Coordinates are CSS pixels of a picture drawn at its own width. Each picture is drawn twice, for a page and for a phone,
so that text never shrinks below what can be read. Colours come from classes; shapes and dashes say the same.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from harness.report.markup import Child, Element, h, number, raw, svg_text
from harness.report.text import clean

__all__ = ["NARROW", "SHAPES", "WIDE", "Canvas", "Picture", "elided", "marker", "standalone", "text_width", "whisker"]

WIDE = 760
NARROW = 358
_CHARACTER = 6.6  # mean width of a character of the 12 px labels; generous, so that nothing touches
SHAPES = 5


def elided(text: str, width: float) -> str:
    """Return text cut to what fits in `width` pixels of a 12 px label."""
    room = max(3, int(width / _CHARACTER))
    shown = clean(text).replace("\n", " ")
    return shown if len(shown) <= room else shown[: room - 1].rstrip() + "…"


def text_width(text: str) -> float:
    """Return roughly how wide a 12 px label is."""
    return len(text) * _CHARACTER


@dataclass(slots=True)
class Canvas:
    """A picture being drawn; `points` are what a pointer or the arrow keys can ask about."""

    width: int
    height: float
    ident: str
    title: str
    description: str
    parts: list[Child] = field(default_factory=list)
    points: list[tuple[float, float, str]] = field(default_factory=list)

    @property
    def narrow(self) -> bool:
        """Whether this is the phone's version."""
        return self.width < WIDE

    def add(self, *parts: Child) -> None:
        """Draw on top of what is there."""
        self.parts.extend(parts)

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", kind: str = "tick") -> None:
        """Write one line; `kind` is tick, label, strong or value."""
        self.add(h("text", text, x=float(x), y=float(y), text_anchor=anchor, class_=kind))

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str = "grid") -> None:
        """Draw a straight line of a class such as grid, axis or whisker."""
        self.add(h("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=kind))

    def tell(self, x: float, y: float, text: str) -> None:
        """Say what stands at a place, when someone points there."""
        self.points.append((round(x, 1), round(y, 1), clean(text)))

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Draw a line through the points."""
        if points:
            self.add(h("path", d="M" + "L".join(f"{number(x)} {number(y)}" for x, y in points), class_=kind))

    def svg(self) -> Element:
        """Return the picture."""
        title, description = f"{self.ident}-title", f"{self.ident}-desc"
        return h(
            "svg",
            h("title", self.title, id=title),
            h("desc", self.description, id=description),
            self.parts,
            viewBox=f"0 0 {self.width} {number(float(self.height))}",
            width=self.width,
            height=float(self.height),
            role="img",
            aria_labelledby=f"{title} {description}",
            id=self.ident,
            data_points=json.dumps(self.points, ensure_ascii=False) if self.points else None,
        )


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that can be drawn at any width, with words that replace it for whoever cannot see it."""

    ident: str
    title: str
    description: str

    def draw(self, width: int, suffix: str = "") -> Element:
        """Return the picture at `width` pixels; `suffix` keeps the ids of two versions apart."""
        raise NotImplementedError

    def canvas(self, width: int, height: float, suffix: str) -> Canvas:
        """Return the canvas to draw on."""
        return Canvas(width, height, f"{self.ident}{suffix}", self.title, self.description)


def marker(x: float, y: float, series: int, size: float = 4.5, extra: str = "") -> Element:
    """Return the marker of series number `series`: circle, square, diamond, triangle or cross, in its colour."""
    kind = f"mark s{series % 6} {extra}".rstrip()
    shape = series % SHAPES
    if shape == 0:
        return h("circle", cx=float(x), cy=float(y), r=size, class_=kind)
    if shape == 1:
        return h("rect", x=x - size * 0.9, y=y - size * 0.9, width=size * 1.8, height=size * 1.8, class_=kind)
    corners = {
        2: ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
        3: ((0, -1.2), (1.15, 0.95), (-1.15, 0.95)),
        4: ((-1.1, -1), (0, -0.35), (1.1, -1), (0.45, 0), (1.1, 1), (0, 0.35), (-1.1, 1), (-0.45, 0)),
    }[shape]
    path = "L".join(f"{number(x + dx * size)} {number(y + dy * size)}" for dx, dy in corners)
    return h("path", d=f"M{path}Z", class_=kind)


def whisker(canvas: Canvas, low: tuple[float, float], high: tuple[float, float], kind: str = "whisker") -> None:
    """Draw an interval between two points, with caps across it."""
    (x1, y1), (x2, y2) = low, high
    canvas.line(x1, y1, x2, y2, kind)
    dx, dy = (0, 4) if abs(y1 - y2) < abs(x1 - x2) else (4, 0)
    for x, y in (low, high):
        canvas.line(x - dx, y - dy, x + dx, y + dy, kind)


@cache
def stylesheet(name: str) -> str:
    """Return one of this package's own style or script files."""
    return (Path(__file__).parents[1] / "assets" / name).read_text(encoding="utf-8")


def standalone(picture: Picture, width: int = WIDE) -> str:
    """Return the picture as an SVG file that stands on its own ground, light or dark as the reader prefers."""
    drawn = picture.draw(width)
    view = [float(part) for part in str(drawn.get("viewBox")).split()]
    margin = 16.0
    drawn.attrib.pop("data-points", None)
    drawn.set("viewBox", f"{-margin:g} {-margin:g} {view[2] + 2 * margin:g} {view[3] + 2 * margin:g}")
    drawn.set("width", f"{view[2] + 2 * margin:g}")
    drawn.set("height", f"{view[3] + 2 * margin:g}")
    ground = h(
        "rect", x=-margin, y=-margin, width=view[2] + 2 * margin, height=view[3] + 2 * margin, rx=8.0, class_="ground"
    )
    drawn.insert(2, raw("style", stylesheet("colours.css") + stylesheet("pictures.css")))
    drawn.insert(3, ground)
    return svg_text(drawn)
