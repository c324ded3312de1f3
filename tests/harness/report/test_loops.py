"""What a report says of event loops: the stall as a table, its law as a formula, and what did not count."""

import re
from xml.etree.ElementTree import tostring

import pytest

from harness.measure.questions.answer import Answer, joined, outcome_of
from harness.measure.questions.event_loop.effect import LoopPoint, loop_effect, stall_laws
from harness.report.answer import answer_markdown
from harness.report.collect import assembled, read_document
from harness.report.contents import sections_of
from harness.report.sections.service.loops import loops_section, stall_sentence
from harness.report.writers.markdown import write_markdown
from tests.harness.measure.loop_traces import effect_of, loop_trace

SIZES = (10, 100, 1000)


@pytest.fixture(scope="module")
def answer() -> Answer:
    """Two deployments at three sizes each; the second does not stall."""
    effects = [effect_of("on-the-loop", 0.3 + 0.08 * size, size, series=size) for size in SIZES]
    effects += [effect_of("elsewhere", 0.0, size, series=size) for size in SIZES]
    return outcome_of("loop", loops=effects)


def test_the_law_is_a_formula(answer: Answer) -> None:
    """As people would say it."""
    law = stall_laws(answer.loops)[0]
    assert re.fullmatch(r"on-the-loop: stall = 3\d\d µs \(.*\) \+ 80(\.\d)? µs \(.*\) × KiB", stall_sentence(law)), (
        stall_sentence(law)
    )


def test_a_law_that_is_not_there_has_its_reason(answer: Answer) -> None:
    """Stalls that are all zero have no error, so that no line can be fitted to them."""
    assert "no law: it takes pages of three sizes" in stall_sentence(stall_laws(answer.loops)[1])


def test_the_answer_has_the_stalls_and_what_to_do(answer: Answer) -> None:
    """A row for each deployment and size, with an interval."""
    text = answer_markdown(answer)
    assert text.count("| on-the-loop |") >= 2 * len(SIZES)
    assert "Stall of the event loop in a window" in text
    assert "±" in text


def test_a_stored_document_opens_in_a_report(answer: Answer) -> None:
    """Read from JSON, the newest result of a deployment and size is shown, once."""
    stored = read_document(answer.document(), "loop.json")
    report = assembled([*stored, *stored])
    assert len(report.loops) == len(answer.loops)
    (section,) = [each for each in sections_of(report) if each.ident == "loops"]
    assert "Stall of the event loop" in write_markdown([section])
    assert [source.what for source in report.sources] == ["stalls of an event loop"] * 2


def test_a_document_without_event_loops_has_no_such_section() -> None:
    """As in all documents of earlier versions."""
    document = outcome_of("diff").document()
    del document["loops"]
    (stored,) = read_document(document, "earlier.json")
    assert loops_section(stored.content.loops) is None


def test_answers_are_joined_with_their_loops(answer: Answer) -> None:
    """All of both."""
    assert len(joined("full", [answer, answer]).loops) == 2 * len(answer.loops)


def test_a_void_process_is_named_with_its_reason() -> None:
    """Where nothing else is left there is no figure."""
    traces = [loop_trace(20.0, seed, lost=1) for seed in (1, 2)]
    section = loops_section([loop_effect(LoopPoint("x", 1000), traces, rate=400.0)])
    assert section is not None
    text = write_markdown([section])
    assert "x, 1000 series: 2 of 2 processes void: the page shows 1999 of 2000 requests" in text
    assert "| x | 1\u202f000 | 100 | – → – | – | – |" in text


def test_the_picture_says_what_it_shows(answer: Answer) -> None:
    """Title and axis name the stall and the page."""
    section = loops_section(answer.loops)
    assert section is not None
    (picture,) = [part.picture for part in section.parts if hasattr(part, "picture")]
    assert "stall = " in picture.description
    drawn = tostring(picture.draw(700), encoding="unicode")
    assert "cost per line" not in drawn
