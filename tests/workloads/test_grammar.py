"""One grammar, one table: what is understood, what is refused, and in which words."""

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads import units
from workloads.errors import GrammarError
from workloads.forms import LANGUAGES, Parameter, ValueKind
from workloads.grammar import describe, parse, quoted

NAMES = [form.name for language in LANGUAGES.values() for form in language.forms]
KEYS = sorted({p.name for language in LANGUAGES.values() for form in language.forms for p in form.parameters})


@pytest.mark.parametrize(
    ("kind", "text", "name", "values"),
    [
        ("lengths", "lognormal", "lognormal", {"median": 40, "sigma": Fraction(4, 5), "min": 0, "max": 65_536}),
        ("lengths", " lognormal : median = 1KiB , sigma = 1 ", "lognormal", {"median": 1024, "sigma": 1}),
        ("lengths", "constant:80", "constant", {"bytes": 80}),
        ("lengths", "80", "constant", {"bytes": 80}),
        ("lengths", "constant:80,max=90", "constant", {"bytes": 80, "max": 90}),
        ("lengths", 'empirical:path="a, b+0.5*c.txt"', "empirical", {"path": "a, b+0.5*c.txt"}),
        ("lengths", "empirical:/var/log/a=b.txt", "empirical", {"path": "/var/log/a=b.txt"}),
        ("lengths", "empirical:c++.txt", "empirical", {"path": "c++.txt"}),
        ("lengths", "histogram:http://127.0.0.1:8000/metrics", "histogram", {"path": "http://127.0.0.1:8000/metrics"}),
        ("arrivals", "poisson:1000/s", "poisson", {"rate": 1000}),
        ("arrivals", "constant:5k/s", "constant", {"rate": 5000, "jitter": "none"}),
        ("arrivals", "300/m", "constant", {"rate": 5}),
        ("arrivals", "steps:100:0:1k,each=2s", "steps", {"rates": (100, 0, 1000), "each": 2 * 10**9}),
        ("arrivals", "ramp:from=0,to=1e+3", "ramp", {"from": 0, "to": 1000}),
        ("errors", "0", "even", {"share": 0}),
        ("errors", "1%", "even", {"share": Fraction(1, 100)}),
        ("errors", "nul=0.1%, too_long=1%", "each", {"nul": Fraction(1, 1000), "not_utf8": 0}),
        ("series", "100", "uniform", {"n": 100}),
        ("series", "zipf:1k,s=2", "zipf", {"n": 1000, "s": 2}),
        ("content", "json", "json", {}),
    ],
)
def test_what_is_understood(kind: str, text: str, name: str, values: dict[str, object]) -> None:
    """Names, keys, values with units, positional values and lone values give the validated form."""
    (term,) = parse(kind, text)
    assert term.name == name
    assert {key: term.values[key] for key in values} == values


def test_a_mixture_keeps_weights_and_order() -> None:
    """Each part of a mixture has its own weight, exactly."""
    terms = parse("lengths", "0.7*lognormal:median=40,sigma=0.8 + 30*uniform:min=200,max=400+1e-1*edges")
    assert [(term.weight, term.name) for term in terms] == [
        (Fraction(7, 10), "lognormal"),
        (30, "uniform"),
        (Fraction(1, 10), "edges"),
    ]


@pytest.mark.parametrize(
    ("kind", "text", "fragments"),
    [
        ("lengths", "lognrmal", ["lengths ", "'lognrmal'", "did you mean 'lognormal'", "uniform"]),
        ("lengths", "", ["lengths ", "a name is missing", "constant"]),
        ("lengths", "lognormal:medan=3", ["no key 'medan'", "did you mean 'median'", "sigma"]),
        ("lengths", "lognormal:median=nan", ["median of lognormal", "64KiB"]),
        ("lengths", "lognormal:sigma=inf", ["sigma of lognormal", "not a number"]),
        ("lengths", "lognormal:sigma=0", ["out of range", "0.001 to 10"]),
        ("lengths", "lognormal:median=0", ["out of range", "1 to 64KiB"]),
        ("lengths", "lognormal:sigma=-1", ["out of range"]),
        ("lengths", "constant:70000", ["out of range", "0 to 64KiB"]),
        ("lengths", "constant", ["needs bytes", "write constant:bytes=80"]),
        ("lengths", "constant:", ["nothing follows the colon"]),
        ("lengths", "uniform:1,2", ["needs a key", "max"]),
        ("lengths", "uniform:min=1,min=2", ["min is given twice"]),
        ("lengths", "uniform:min=1,", ["comma"]),
        ("lengths", "uniform:,min=1", ["comma"]),
        ("lengths", 'empirical:path="x', ["quote"]),
        ("lengths", "empirical:path=", ["path of empirical", "must not be empty"]),
        ("lengths", "empirical", ["needs path", "write empirical:path=FILE"]),
        ("lengths", "0.3*uniform + normal", ["weight", "0.3*normal"]),
        ("lengths", "0*uniform", ["weight", "above 0"]),
        ("lengths", "x*uniform", ["'x' is not a number"]),
        ("lengths", "uniform\n", ["printable"]),
        ("lengths", "u" * 5000, ["at most 4096 characters"]),
        ("arrivals", "constant", ["arrivals ", "constant:rate=1000/s"]),
        ("arrivals", "constant:0", ["out of range", "1/d to 1000000000/s"]),
        ("arrivals", "constant:-5", ["rate of constant"]),
        ("arrivals", "constant:1e300", ["rate of constant"]),
        ("arrivals", "steps:10::20", ["rates of steps"]),
        ("arrivals", "sine:10,amplitude=101%", ["amplitude of sine"]),
        ("arrivals", "sine:10,period=25h", ["out of range", "1ms to 24h"]),
        ("arrivals", "sine:10,jitter=posson", ["none, poisson", "did you mean 'poisson'"]),
        ("arrivals", "0.5*max", ["only lengths can be mixed", "'max' alone"]),
        ("content", "words:3", ["content ", "takes no values"]),
        ("errors", "2", ["errors ", "share of even"]),
        ("errors", "nil=1%", ["no key 'nil'", "not_utf8, nul, too_long"]),
        ("series", "0", ["series ", "n of uniform"]),
        ("series", "1e9", ["out of range", "1 to 100000"]),
    ],
)
def test_error_lines_say_what_would_be_right(kind: str, text: str, fragments: list[str]) -> None:
    """A wrong expression is one line that names the field, quotes the text and helps."""
    with pytest.raises(GrammarError) as caught:
        parse(kind, text)
    line = str(caught.value)
    for fragment in fragments:
        assert fragment in line, line
    assert "\n" not in line
    assert len(line) < 500


ALPHABET = st.sampled_from(
    [*NAMES, *KEYS, *'0123456789.:=,+*"%/-e ', "k", "s", "ms", "KiB", "nan", "inf", "\0", "\n", "é"]
)


@given(st.sampled_from(sorted(LANGUAGES)), st.text(max_size=60) | st.lists(ALPHABET, max_size=14).map("".join))
def test_no_text_is_more_than_an_error_line(kind: str, text: str) -> None:
    """Any text is an expression or a GrammarError of one printable line, never a traceback."""
    line, terms = "", ()
    try:
        terms = parse(kind, text)
    except GrammarError as error:
        line = str(error)
    assert line.isprintable()
    assert bool(line) != bool(terms)
    assert all(term.weight > 0 for term in terms)


def _text_of(parameter: Parameter, value: Fraction | int) -> str:
    if parameter.value is ValueKind.DURATION:
        return units.format_exact_duration(int(value))
    if parameter.value is ValueKind.SHARE:
        return f"{float(value):.12f}"
    return f"{float(value):.9f}" if isinstance(value, Fraction) else str(value)


@pytest.mark.parametrize("kind", sorted(LANGUAGES))
def test_each_stated_range_is_the_range_kept(kind: str) -> None:
    """For every key in the table the ends of its range are taken, and what lies beyond them is refused."""
    checked = 0
    for form in LANGUAGES[kind].forms:
        needed = {p.name: "1" for p in form.parameters if p.default is None and p.value is not ValueKind.PATH}
        needed |= {p.name: "x" for p in form.parameters if p.value is ValueKind.PATH}
        for p in form.parameters:
            if p.low is None or p.high is None:
                continue
            for value, good in ((p.low, True), (p.high, True), (p.high * 2 + 1, False), (-1, False)):
                given_values = {**needed, p.name: _text_of(p, value)}
                if p.value in {ValueKind.RATE, ValueKind.RATES} and 0 < value < 1:
                    given_values[p.name] = "1/d"
                text = f"{form.name}:" + ",".join(f"{key}={v}" for key, v in given_values.items())
                if good:
                    parse(kind, text)
                else:
                    with pytest.raises(GrammarError, match=p.name):
                        parse(kind, text)
                checked += 1
    assert checked or kind == "content"


def test_the_table_holds_every_name_and_key() -> None:
    """`describe` has a row for each key of each form, with its default and range."""
    for kind, language in LANGUAGES.items():
        rows = describe(kind)
        for form in language.forms:
            mine = [row for row in rows if row.name == form.name]
            assert [row.key for row in mine] == [p.name for p in form.parameters] or (not form.parameters and mine)
            assert all(row.meaning for row in mine)
    sigma = next(row for row in describe("lengths") if row.key == "sigma")
    assert (sigma.default, sigma.range) == ("0.8", "0.001 to 10")


def test_defaults_are_valid() -> None:
    """Every form whose keys all have defaults can be written as its bare name."""
    for kind, language in LANGUAGES.items():
        for form in language.forms:
            if all(p.default is not None for p in form.parameters):
                assert parse(kind, form.name)[0].name == form.name


def test_quoting_shortens_and_escapes() -> None:
    """User text in an error line is short and printable."""
    generator = random.Random(1)  # noqa: S311 - no secret
    text = "".join(chr(generator.randrange(0xD7FF)) for _ in range(5000))
    assert quoted(text).isprintable()
    assert len(quoted("a" * 5000)) < 90
