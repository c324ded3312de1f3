"""Finds a way of recording by its name, by entry point, or by ``package.module:Name``."""

import importlib
import os
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from harness.errors import HarnessError, InstrumentError, UsageError
from harness.instruments.base import Instrument, InstrumentFactory
from harness.views import View

__all__ = ["BUILT_IN", "ENTRY_POINT_GROUP", "EXTRAS", "create", "load_factory", "load_object"]

ENTRY_POINT_GROUP = "recording_harness.instruments"

BUILT_IN: dict[str, str] = {
    "none": "harness.instruments.none:NoInstrument",
    "opencensus": "harness.instruments.opencensus:OpenCensusInstrument",
    "opencensus-lean": "harness.instruments.opencensus_lean:OpenCensusLeanInstrument",
    "prometheus-client": "harness.instruments.prometheus_client_:PrometheusClientInstrument",
    "prometheus-client-cached": "harness.instruments.prometheus_client_:CachedPrometheusClientInstrument",
    "opentelemetry": "harness.instruments.opentelemetry:OpenTelemetryInstrument",
    "reference": "harness.instruments.reference:ReferenceInstrument",
}

# What to install when the library behind a built-in name is missing.
EXTRAS: dict[str, str] = {
    "opentelemetry": "the OpenTelemetry SDK and its Prometheus exporter: pip install 'recording-harness[opentelemetry]'"
}


def load_object(path: str, flag: str) -> object:
    """Import ``package.module:Name``; the working directory is searched as ``python -m`` would.

    Raises `UsageError`, naming `flag`, when the path is malformed, does not import or has no such name.
    """
    module_name, separator, attribute = path.partition(":")
    if not (separator and module_name and attribute):
        raise UsageError(f"{flag}: {path!r} is not of the form package.module:Name")
    here = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)

    def find() -> object:
        found: object = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
        return found

    return _loaded(find, path, flag)


def _loaded(find: Callable[[], object], what: str, flag: str) -> object:
    """Return what `find` finds; whatever a foreign module raises while it is imported becomes one line."""
    try:
        return find()
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"{flag}: cannot load {what!r}: {reason}") from error


def _built_in(name: str, flag: str) -> object:
    try:
        return load_object(BUILT_IN[name], flag)
    except UsageError as error:
        if name in EXTRAS and isinstance(error.__cause__, ImportError):
            raise UsageError(f"{flag}: {name} needs {EXTRAS[name]}") from error
        raise


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def load_factory(name: str, flag: str = "--instrument") -> InstrumentFactory:
    """Return what builds the instrument `name`; raises `UsageError` when there is none of that name.

    A built-in name wins over an entry point of the same name.
    """
    if name in BUILT_IN:
        found = _built_in(name, flag)
    elif ":" in name:
        found = load_object(name, flag)
    elif name in (offered := _offered()):
        found = _loaded(offered[name].load, name, flag)
    else:
        known = ", ".join([*BUILT_IN, *sorted(set(offered) - set(BUILT_IN))])
        raise UsageError(f"{flag}: there is no instrument {name!r}; choose one of {known}, or give package.module:Name")
    if not callable(found):
        raise UsageError(f"{flag}: {name!r} cannot be called; it should be a class or function taking the views")
    return cast("InstrumentFactory", found)


def create(name: str, views: tuple[View, ...], flag: str = "--instrument") -> Instrument:
    """Build the instrument `name` for `views`; raises `UsageError` or `InstrumentError` with the reason."""
    factory = load_factory(name, flag)
    try:
        instrument = factory(views)
    except HarnessError:
        raise  # it has a line of its own to say
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InstrumentError(f"{flag}: {name} could not be built: {reason}") from error
    if missing := [member for member in ("record", "registry", "close") if not hasattr(instrument, member)]:
        raise UsageError(f"{flag}: {name} lacks {', '.join(missing)}; an instrument has record(), registry and close()")
    return instrument
