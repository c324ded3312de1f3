"""What a run's spec promises."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.run.spec import SCENARIOS, RunSpec, find_scenario, load_spec, spec_from

JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*RunSpec.model_fields, "unknown", "max-lag"]), JSON_LIKE, max_size=4))
def test_any_values_give_a_spec_or_one_line_that_names_the_culprit(values: dict[str, object]) -> None:
    """Whatever stands in a scenario, the answer is a spec or a single line naming the file and the key."""
    try:
        spec = spec_from(values, "some.toml")
    except UsageError as error:
        text = str(error)
        assert text.startswith("some.toml: ")
        assert "\n" not in text
    else:
        assert spec == spec_from(spec.model_dump(), "some.toml")


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        ({"count": 0}, "count", ""),
        ({"count": -5}, "count", ""),
        ({"count": "10x"}, "count", ""),
        ({"duration": "10"}, "duration", "'10' has an unknown unit"),
        ({"duration": "0s"}, "duration", "'0s' is out of range"),
        ({"scrape_interval": "often"}, "scrape_interval", "'often' is not a duration"),
        ({"policy": "wait"}, "policy", "input should be 'burst' or 'drop'"),
        ({"seed": -1}, "seed", ""),
        ({"port": 70000}, "port", ""),
        ({"lenghts": "uniform"}, "lenghts", "there is no such key; known are name, lengths"),
        ({"instrument": ""}, "instrument", ""),
        (
            {"incidents": ["stal@2m+1s"]},
            "incidents",
            "'stal@2m[+]1s': there is no incident 'stal', did you mean 'stall'",
        ),
        ({"incidents": "stall@2m+1s"}, "incidents", "input should be a valid tuple"),
    ],
)
def test_a_wrong_value_is_told_by_its_field(values: dict[str, object], field: str, says: str) -> None:
    """The error names the field, and its text says what is wrong with it."""
    with pytest.raises(UsageError, match="^" + says.replace("(", r"\(")) as raised:
        spec_from(values)
    assert raised.value.field == field


def test_numbers_in_toml_mean_what_they_mean_as_flags(tmp_path: Path) -> None:
    """A fraction, a count and a number of series may be written as numbers or as text."""
    path = tmp_path / "own.toml"
    path.write_text('errors = 0.01\nseries = 100\ncount = "10k"\nmax-lag = "5ms"\n')
    spec = load_spec(str(path), {})
    assert (spec.errors, spec.series, spec.count, spec.max_lag, spec.name) == ("0.01", "100", 10_000, "5ms", "own")


def test_flags_go_over_the_scenario_and_another_amount_replaces_its_amount() -> None:
    """`--count` on top of a scenario that lasts ten seconds sends that many lines, however long it takes."""
    spec = load_spec("quickstart", {"count": 50, "seed": 7})
    assert (spec.count, spec.duration, spec.seed, spec.name) == (50, None, 7, "quickstart")


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_scenario_is_found_by_name(path: Path) -> None:
    """What ships loads."""
    assert find_scenario(path.stem) == path
    assert load_spec(path.stem, {}).name == path.stem


def test_an_unknown_scenario_is_told_with_those_that_ship() -> None:
    """The line lists what could have been meant."""
    with pytest.raises(UsageError, match=r"no file 'nope'.*quickstart"):
        find_scenario("nope")


@pytest.mark.parametrize("content", [b"= 3", b"\xff\xfe", b"a = [" * 2000])
def test_a_file_that_is_no_toml_is_told_by_name(tmp_path: Path, content: bytes) -> None:
    """Broken TOML, other encodings and nested nonsense are one line."""
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"bad\.toml: not valid TOML"):
        load_spec(str(path), {})


def test_incidents_stand_in_a_scenario_and_flags_take_their_place(tmp_path: Path) -> None:
    """As text, in the form in which they are written back."""
    path = tmp_path / "own.toml"
    path.write_text('duration = "10m"\nincidents = ["stall @ 120s + 10s", "restart@30s"]\n')
    spec = load_spec(str(path), {})
    assert spec.incidents == ("stall@2m+10s", "restart@30s")
    assert [each.kind for each in spec.incident_times] == ["stall", "restart"]
    assert load_spec(str(path), {"incidents": ("slow@1s+1s",)}).incidents == ("slow@1s+1s",)
    assert RunSpec().incidents == ()


@pytest.mark.parametrize(
    "cluster", ["local", "tcp://10.0.0.1:8786", "tls://node-1.example:8786", "10.0.0.1:1", "[::1]:1"]
)
def test_a_scenario_names_its_cluster(tmp_path: Path, cluster: str) -> None:
    """By the scheduler's address, with or without protocol, or the word local."""
    scenario = tmp_path / "spread.toml"
    scenario.write_text(f'workers = 2\ncluster = "{cluster}"\n', encoding="utf-8")
    assert load_spec(str(scenario), {}).cluster == cluster


@pytest.mark.parametrize("cluster", ["", "localhost", "http://10.0.0.1:8786", "10.0.0.1", "tcp://:8786", "a b:1"])
def test_what_is_no_address_of_a_scheduler_is_refused(cluster: str) -> None:
    """In a line that says what would be right."""
    with pytest.raises(UsageError, match=r"neither local nor an address such as tcp://10\.0\.0\.1:8786") as caught:
        spec_from({"cluster": cluster})
    assert caught.value.field == "cluster"
