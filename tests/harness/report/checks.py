"""Checks of a page's markup that need no browser: balance, ids, links, headings, text alternatives."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "hr", "input", "col"}


@dataclass
class Node:
    tag: str
    attributes: dict[str, str | None]
    parent: "Node | None" = None
    children: list["Node"] = field(default_factory=list)
    text: str = ""

    def all(self, *tags: str) -> "list[Node]":
        found = [self] if self.tag in tags or not tags else []
        for child in self.children:
            found += child.all(*tags)
        return found

    def words(self) -> str:
        """Return all text below, in no particular order."""
        return " ".join([self.text, *(child.words() for child in self.children)])


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.now = Node("root", {})
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if len({name for name, _ in attrs}) < len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice")
        node = Node(tag, dict(attrs), self.now)
        self.now.children.append(node)
        if tag not in VOID:
            self.now = node

    def handle_endtag(self, tag: str) -> None:
        if tag != self.now.tag or self.now.parent is None:
            self.problems.append(f"</{tag}> closes <{self.now.tag}>")
            return
        self.now = self.now.parent

    def handle_data(self, data: str) -> None:
        self.now.text += data


def parse(page: str) -> Node:
    """Return the page's tree; asserts that every tag is closed where it must be."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    assert parser.problems == []
    assert parser.now is parser.root, f"<{parser.now.tag}> is never closed"
    return parser.root


def problems(page: str) -> list[str]:
    """Return what is wrong with a page's structure; empty for a good one."""
    root = parse(page)
    found = []
    ids = [ident for node in root.all() if (ident := node.attributes.get("id")) is not None]
    found += [f"id {ident} is given twice" for ident in set(ids) if ids.count(ident) > 1]
    for node in root.all():
        for name in ("aria-labelledby", "aria-describedby"):
            found += [f"{name} {part}" for part in (node.attributes.get(name) or "").split() if part not in ids]
        target = node.attributes.get("href") or ""
        if target.startswith("#") and target[1:] not in ids:
            found.append(f"link to nowhere: {target}")
        if target and not target.startswith(("#", "data:,")):
            found.append(f"link out of the page: {target}")
        found += [
            f"<{node.tag}> has {name}" for name in node.attributes if name in {"style", "src"} or name[:2] == "on"
        ]
    found += [f"th without scope: {node.text}" for node in root.all("th") if "scope" not in node.attributes]
    found += ["table without caption" for node in root.all("table") if not node.all("caption")]
    found += ["svg without title or description" for node in root.all("svg") if not _described(node)]
    found += ["not one h1" for _ in [0] if len(root.all("h1")) != 1]
    return found


def _described(svg: Node) -> bool:
    words = [node.text for node in svg.children if node.tag in {"title", "desc"}]
    return len(words) == 2 and all(words) and svg.attributes.get("role") == "img"
