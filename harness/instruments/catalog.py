"""Instruments by name, by entry point, or by ``package.module:Name``."""

import importlib
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, cast

from harness.errors import HarnessError, InstrumentError, UsageError
from harness.instruments.base import Instrument, InstrumentFactory
from harness.views import View

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["BUILT_IN", "ENTRY_POINT_GROUP", "EXTRAS", "create", "installed", "load_factory", "load_object", "pushes"]

ENTRY_POINT_GROUP = "recording_harness.instruments"

BUILT_IN: dict[str, str] = {
    "none": "harness.instruments.none:NoInstrument",
    "opencensus": "harness.instruments.opencensus:OpenCensusInstrument",
    "opencensus-lean": "harness.instruments.opencensus_lean:OpenCensusLeanInstrument",
    "prometheus-client": "harness.instruments.prometheus_client_:PrometheusClientInstrument",
    "prometheus-client-cached": "harness.instruments.prometheus_client_:CachedPrometheusClientInstrument",
    "prometheus-client-multiprocess": (
        "harness.instruments.prometheus_multiprocess:PrometheusClientMultiprocessInstrument"
    ),
    "opentelemetry": "harness.instruments.opentelemetry:OpenTelemetryInstrument",
    "opentelemetry-no-exemplars": "harness.instruments.opentelemetry:NoExemplarsOpenTelemetryInstrument",
    "opentelemetry-default-limit": "harness.instruments.opentelemetry:DefaultLimitOpenTelemetryInstrument",
    "opentelemetry-otlp": "harness.instruments.opentelemetry_otlp:OtlpOpenTelemetryInstrument",
    "statsd": "harness.instruments.statsd:StatsdInstrument",
    "dogstatsd": "harness.instruments.dogstatsd:DogstatsdInstrument",
    "dogstatsd-buffered": "harness.instruments.dogstatsd:BufferedDogstatsdInstrument",
    "dogstatsd-unix": "harness.instruments.dogstatsd:UnixDogstatsdInstrument",
    "dogstatsd-unix-buffered": "harness.instruments.dogstatsd:BufferedUnixDogstatsdInstrument",
    "reference": "harness.instruments.reference:ReferenceInstrument",
}

_OPENTELEMETRY = "the OpenTelemetry SDK and its Prometheus exporter: pip install 'recording-harness[opentelemetry]'"
_DOGSTATSD = "the package datadog: pip install 'recording-harness[dogstatsd]'"

# What to install when the library behind a built-in name is missing.
EXTRAS: dict[str, str] = {
    # It comes with this project, and goes where opencensus-lean was installed beside it and removed.
    "opencensus-lean": "the package opencensus_lean: install recording-harness or opencensus-lean anew",
    "opentelemetry": _OPENTELEMETRY,
    "opentelemetry-no-exemplars": _OPENTELEMETRY,
    "opentelemetry-default-limit": _OPENTELEMETRY,
    "opentelemetry-otlp": "the OpenTelemetry SDK and its exporters: pip install 'recording-harness[otlp]'",
    "statsd": "the package statsd: pip install 'recording-harness[statsd]'",
    "dogstatsd": _DOGSTATSD,
    "dogstatsd-buffered": _DOGSTATSD,
    "dogstatsd-unix": _DOGSTATSD,
    "dogstatsd-unix-buffered": _DOGSTATSD,
}


def load_object(path: str, field: str) -> object:
    """Import ``package.module:Name``; where nothing else has the module, the working directory is searched, last.

    Raises `UsageError` of `field` when the path is malformed, does not import or has no such name.
    """
    module_name, separator, attribute = path.partition(":")
    if not (separator and module_name and attribute):
        raise UsageError(f"{path!r} is not of the form package.module:Name", field=field)

    def find() -> object:
        result: object = _imported(module_name)
        for part in attribute.split("."):
            result = getattr(result, part)
        return result

    return _loaded(find, path, field)


def _imported(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        here = os.getcwd()  # noqa: PTH109 - sys.path holds strings
        # What is missing may be another module, imported by the one that was found.
        if not f"{name}.".startswith(f"{error.name}.") or here in sys.path or "" in sys.path:
            raise
        # Behind everything else: a file of the user's called like a library, or like a module of Python's own, must not
        # take its place in what is measured.
        sys.path.append(here)
        return importlib.import_module(name)


def _loaded(find: Callable[[], object], what: str, field: str) -> object:
    """Return what `find` finds; whatever a foreign module raises while it is imported becomes one line."""
    try:
        return find()
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"cannot load {what!r}: {reason}", field=field) from error


def _built_in(name: str, field: str) -> object:
    try:
        return load_object(BUILT_IN[name], field)
    except UsageError as error:
        if name in EXTRAS and isinstance(error.__cause__, ImportError):
            raise UsageError(f"{name} needs {EXTRAS[name]}", field=field) from error
        raise


def _offered() -> "dict[str, EntryPoint]":
    # Takes as long to import as everything else here together, and only names that are not built in need it.
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def load_factory(name: str, field: str = "instrument") -> InstrumentFactory:
    """Return what builds the instrument `name`; raises `UsageError` of `field` when there is none of that name.

    A built-in name wins over an entry point of the same name.
    """
    if name in BUILT_IN:
        result = _built_in(name, field)
    elif ":" in name:
        result = load_object(name, field)
    elif name in (offered := _offered()):
        result = _loaded(offered[name].load, name, field)
    else:
        known = ", ".join([*BUILT_IN, *sorted(set(offered) - set(BUILT_IN))])
        text = f"there is no instrument {name!r}; choose one of {known}, or give package.module:Name"
        raise UsageError(text, field=field)
    if not callable(result):
        text = f"{name!r} cannot be called; it should be a class or function taking the views"
        raise UsageError(text, field=field)
    return cast("InstrumentFactory", result)


def installed(names: Iterable[str]) -> list[str]:
    """Return those of the names that can be loaded; an extra that is not installed is left out."""
    loaded = []
    for name in names:
        try:
            load_factory(name)
        except HarnessError:
            continue
        loaded.append(name)
    return loaded


def pushes(name: str, field: str = "instrument") -> bool:
    """Return whether an instrument pushes its values to a sink, so that nothing is scraped; raises `UsageError`."""
    return bool(getattr(load_factory(name, field), "pushes", False))


def create(
    name: str, views: tuple[View, ...], field: str = "instrument", push_interval_ns: int | None = None
) -> Instrument:
    """Build the instrument `name` for `views`; raises `UsageError` or `InstrumentError` with the reason.

    One that pushes all its series at an interval does it every `push_interval_ns`, where that is given.
    """
    factory = load_factory(name, field)
    if push_interval_ns is not None and getattr(factory, "takes_interval", False):
        factory = cast(
            "InstrumentFactory", partial(cast("Callable[..., Instrument]", factory), interval_ns=push_interval_ns)
        )
    try:
        instrument = factory(views)
    except HarnessError:
        raise  # it has a line of its own to say
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InstrumentError(f"{name} could not be built: {reason}", field=field) from error
    if missing := [member for member in ("record", "registry", "close") if not _has(instrument, member)]:
        text = f"{name} lacks {', '.join(missing)}; an instrument has record(), registry and close()"
        raise UsageError(text, field=field)
    return instrument


def _has(instrument: Instrument, member: str) -> bool:
    # A property is there without being asked for what it would make.
    return hasattr(type(instrument), member) or hasattr(instrument, member)
