"""The specification of a run: frozen, validated, written as flags or as TOML."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

import workloads
from harness.errors import GrammarError, UsageError
from workloads.incidents import Incident, parse_incident
from workloads.units import parse_count, parse_duration_ns

__all__ = ["DEFAULT_DURATION", "LOCAL_CLUSTER", "SCENARIOS", "RunSpec", "find_scenario", "load_spec", "spec_from"]

DEFAULT_DURATION = "10s"
# As many processes as one coordinator was ever tried with, and some.
_MOST_WORKERS = 10_000
_MOST_INCIDENTS = 1000
_MOST_FORKS = 256
_MOST_SCENARIO = 1 << 20
# Instead of an address: a Dask cluster of this machine, for the time of the run.
LOCAL_CLUSTER = "local"
_ADDRESS = re.compile(r"(?:(?:tcp|tls)://)?(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}")
SCENARIOS = Path(workloads.__file__).parent / "scenarios"


def _checked(parse: Callable[[str], int], text: str) -> int:
    try:
        return parse(text)
    except GrammarError as error:
        # pydantic takes a ValueError for a finding about the field and lets anything else pass.
        raise ValueError(str(error)) from error


def _duration(text: str) -> str:
    _checked(parse_duration_ns, text)
    return text


def _incident(text: str) -> str:
    try:
        return str(parse_incident(text))
    except GrammarError as error:
        raise ValueError(f"{error.value}: {error.text}") from error


def _count(value: object) -> object:
    return _checked(parse_count, value) if isinstance(value, str) else value


def _workers(value: object) -> object:
    """Take a number from 1 to 10 000, also as text, and ``auto``."""
    if value == "auto":
        return value
    number = _count(value)
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= _MOST_WORKERS:
        raise ValueError(f"is neither auto nor a number from 1 to {_MOST_WORKERS}, but {value!r}")
    return number


def _cluster(text: str) -> str:
    if text != LOCAL_CLUSTER and not _ADDRESS.fullmatch(text):
        raise ValueError(f"is neither local nor an address such as tcp://10.0.0.1:8786, but {text!r}")
    return text


def _text(value: object) -> object:
    """TOML has numbers where the grammar has text: 0.01 and "0.01" mean the same."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Expression = Annotated[str, BeforeValidator(_text), Field(min_length=1, max_length=4096)]
Duration = Annotated[str, AfterValidator(_duration)]
Workers = Annotated[int | Literal["auto"], BeforeValidator(_workers)]
Incidents = Annotated[tuple[Annotated[str, AfterValidator(_incident)], ...], Field(max_length=_MOST_INCIDENTS)]
Cluster = Annotated[str, AfterValidator(_cluster)]
Count = Annotated[int, BeforeValidator(_count), Field(ge=1, le=10**15)]


class RunSpec(BaseModel):
    """One load run; every field has the flag of the same name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("run", max_length=200, description="what the run is called in results")
    lengths: Expression = Field("lognormal", description="distribution of line lengths in bytes")
    content: Expression = Field("words", description="what the lines are made of")
    arrivals: Expression = Field("poisson:rate=1000", description="when lines are due")
    errors: Expression = Field("0", description="share of lines the REPL must refuse")
    series: Expression = Field("1", description="how many values of the tag `method` the lines carry")
    seed: int = Field(1, ge=0, le=2**63 - 1, description="fixes lengths, text, errors, tags and due times")
    count: Count | None = Field(None, description="lines to send")
    duration: Duration | None = Field(None, description="how long to send; 10s when `count` is not given either")
    instrument: str = Field("opencensus", min_length=1, description="way of recording, or package.module:Name")
    latency_buckets: Literal["quickstart", "fine"] = Field("quickstart", description="bounds of the latency view")
    scraper: Literal["auto", "prometheus", "builtin", "sink", "none"] = Field(
        "auto", description="who scrapes meanwhile; sink: nobody, since the instrument pushes"
    )
    scrape_interval: Duration = Field("1s", description="time between two scrapes, or two pushes of all series")
    policy: Literal["burst", "drop"] = Field("burst", description="what to do with lines that are behind schedule")
    max_lag: Duration = Field(
        "100ms", description="a lag above this, or a lateness above a part of it, makes the run invalid"
    )
    require: tuple[str, ...] = Field((), description="conditions on the result, such as response.p99<2ms")
    incidents: Incidents = Field((), description="what goes wrong and when, such as stall@2m+10s")
    workers: Workers = Field(1, description="processes that share the lines, or auto for one less than the cores")
    cluster: Cluster | None = Field(
        None, description="address of the Dask scheduler that starts the workers, or local for one of this machine"
    )
    fork: int | None = Field(
        None, ge=1, le=_MOST_FORKS, description="workers forked from one process, behind one page, as gunicorn does it"
    )
    recycle: Count | None = Field(None, description="lines after which a forked worker is replaced by another")
    address: str = Field("127.0.0.1", min_length=1, description="address the views are served on while running")
    port: int = Field(0, ge=0, le=65535, description="port the views are served on; 0 takes any free one")

    @model_validator(mode="before")
    @classmethod
    def _accept_flag_spelling(cls, data: Any) -> Any:
        """Accept ``max-lag`` for ``max_lag``, since flags are spelled like that."""
        if not isinstance(data, dict):
            return data
        return {key.replace("-", "_") if isinstance(key, str) else key: value for key, value in data.items()}

    @property
    def duration_ns(self) -> int | None:
        """How long to send, in ns; the default only where neither a count nor a finite file bounds the run."""
        return None if self.duration is None else parse_duration_ns(self.duration)

    @property
    def incident_times(self) -> tuple[Incident, ...]:
        """The incidents as values."""
        return tuple(parse_incident(text) for text in self.incidents)

    @property
    def scrape_interval_ns(self) -> int:
        """Time between two scrapes in ns."""
        return parse_duration_ns(self.scrape_interval)

    @property
    def max_lag_ns(self) -> int:
        """Bound on the lag in ns."""
        return parse_duration_ns(self.max_lag)


def spec_from(values: dict[str, Any], source: str = "") -> RunSpec:
    """Return the spec of `values`; raises `UsageError` of the key at fault, in a line that names the file `source`."""
    try:
        return RunSpec.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "spec"
        head, reason = key.split(".", maxsplit=1)[0], _explain(first, source)
        raise (UsageError(f"{source}: {head}: {reason}") if source else UsageError(reason, field=head)) from error


def _explain(error: Any, source: str) -> str:
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return str(cause)
    if error["type"] == "extra_forbidden":
        known = ", ".join(RunSpec.model_fields)
        return f"there is no such key{' in a scenario' if source else ''}; known are {known}"
    given = error.get("input")
    return f"{error['msg'][:1].lower()}{error['msg'][1:]}, not {given!r:.80}"


def find_scenario(name: str) -> Path:
    """Return the file of a scenario given by path or by the name of a built-in one; raises `UsageError`."""
    path = Path(name)
    if path.is_file():
        return path
    shipped = SCENARIOS / f"{name}.toml"
    if "/" not in name and shipped.is_file():
        return shipped
    known = ", ".join(sorted(p.stem for p in SCENARIOS.glob("*.toml")))
    raise UsageError(f"there is no file {name!r}, and no scenario of that name; shipped are {known}", field="scenario")


def load_spec(name: str, overrides: dict[str, Any]) -> RunSpec:
    """Return the spec in the scenario `name`, overridden by the flags the user gave; raises `UsageError`."""
    path = find_scenario(name)
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_SCENARIO + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > _MOST_SCENARIO:
        raise UsageError(f"{path}: a scenario has at most {_MOST_SCENARIO >> 10} KiB")
    try:
        values = tomllib.loads(data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n"))
    except (ValueError, RecursionError) as error:
        # Not only those of the library: a number of thousands of digits is a ValueError of its own.
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    spec_from(values, str(path))
    if "count" in overrides or "duration" in overrides:
        # Asking for another amount replaces the scenario's, whichever way it was put there.
        values = {key: value for key, value in values.items() if key not in {"count", "duration"}}
    return spec_from({"name": path.stem, **values, **overrides})
