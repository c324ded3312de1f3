"""The pages of the documentation lead somewhere, and use the words that the glossary explains."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
GLOSSARY = DOCS / "glossary.md"
# Written by a program from a measurement; words are explained where it links to.
GENERATED = {"what-a-metric-costs.md"}
EXPLAINED = [page for page in sorted(DOCS.glob("*.md")) if page.name not in GENERATED | {"glossary.md", "index.md"}]
# Terms that mean nothing else than what the glossary says, wherever they stand.
TERMS = {
    "open-loop": r"open[\s-]loop", "closed-loop": r"closed[\s-]loop", "coordinated-omission": "coordinated omission",
    "service-time": "service times?", "response-time": "response times?", "due-time": "due times?", "lag": "lag",
    "lateness": "lateness", "stretch": "stretch(?:es)?", "ledger": "ledger", "finding": "findings?",
    "pair": "pairs?", "control": "controls?|A/A", "void": "void", "undecided": "undecided",
    "smallest-detectable-effect": "smallest (?:detectable )?effects?", "ladder": "ladders?", "rung": "rungs?",
    "cost-law": "(?:cost )?laws?", "saturation": "saturation", "fingerprint": "fingerprints?", "epoch": "epochs?",
    "change-point": "change points?", "tolerance": "tolerance", "instrument": "instruments?", "trimmed-mean": "trimmed",
}  # fmt: skip
# What a law is in the text about arrival rates and distributions.
OTHER_MEANINGS = {("workloads.md", "cost-law"), ("how-to-add.md", "cost-law")}


@cache
def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made from the text."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = [re.sub(r"[`*_]|\]\([^)]*\)|\[", "", title) for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def prose(text: str) -> str:
    """Return a page with spaces for code, headings, table rows, other links and what a program wrote between marks."""
    hidden = (
        r"```.*?```", r"<!-- (\S+): begin -->.*?<!-- \1: end -->", r"^(?:[ ]{4}|[ ]*[|#])[^\n]*$", r"`[^`]*`",
        r"!?\[[^\]]*\]\((?!glossary)[^)]*\)",
    )  # fmt: skip
    for pattern in hidden:
        text = re.sub(pattern, lambda found: " " * len(found[0]), text, flags=re.DOTALL | re.MULTILINE)
    return text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_to_a_heading_leads_to_one(page: Path) -> None:
    """Each link with an anchor, to this or another page, names a heading that is there."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text):
        there = (page.parent / target).resolve() if target else page
        assert anchor in headings(there), f"{target}#{anchor}"


@pytest.mark.parametrize("page", EXPLAINED, ids=lambda page: page.name)
def test_a_term_is_linked_to_the_glossary_where_a_page_first_uses_it(page: Path) -> None:
    """Whoever meets a word of the field can look it up at once, and meets the link once."""
    text = prose(page.read_text(encoding="utf-8"))
    linked = re.compile(r"\[[^\]]*\]\(glossary\.md#([^)]+)\)")
    for anchor, words in TERMS.items():
        if (page.name, anchor) in OTHER_MEANINGS:
            continue
        # A term may be broken over two lines.
        spaced = words.replace(" ", r"\s+")
        first = re.search(rf"(?<![\w-])(?:{spaced})(?![\w-])", text, re.IGNORECASE)
        links = [link for link in linked.finditer(text) if link[1] == anchor]
        assert len(links) <= 1, f"{anchor} is linked {len(links)} times"
        if first is not None:
            assert links, f"{first[0]!r} is not linked to glossary.md#{anchor}"
            assert links[0].start() <= first.start() < links[0].end(), f"{first[0]!r} comes before its link"


def test_every_term_explains_itself_once() -> None:
    """The glossary has each term that the pages link, and no two of one name."""
    titles = re.findall(r"^### (.*)$", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(titles) == len(set(titles))
    assert set(TERMS) <= headings(GLOSSARY)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_a_page_are_there(page: Path) -> None:
    """A path of the repository in a page, and a module of the packages, is one that exists."""
    for code in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)):
        if re.fullmatch(r"(?:harness|workloads|opencensus_lean|tests|benchmarks|docs)/[\w./-]+", code):
            assert "NAME" in code or (ROOT / code).exists(), code
        elif re.fullmatch(r"(?:harness|workloads|opencensus_lean)(?:\.[a-z_]+)+", code):
            path = ROOT / code.replace(".", "/")
            # The last part may be a function of the module.
            assert any(each.is_dir() or each.with_suffix(".py").is_file() for each in (path, path.parent)), code
