"""Finds a way of recording by its name, by entry point, or by ``package.module:Name``."""

import importlib
import os
import sys
from importlib.metadata import entry_points
from typing import cast

from harness.errors import InstrumentError, UsageError
from harness.instruments.base import Instrument, InstrumentFactory
from harness.views import View

__all__ = ["BUILT_IN", "ENTRY_POINT_GROUP", "create", "load_factory", "load_object"]

ENTRY_POINT_GROUP = "recording_harness.instruments"

BUILT_IN: dict[str, str] = {
    "none": "harness.instruments.none:NoInstrument",
    "opencensus": "harness.instruments.opencensus:OpenCensusInstrument",
    "opencensus-lean": "harness.instruments.opencensus_lean:OpenCensusLeanInstrument",
}

# What to install when the library behind a built-in name is missing.
EXTRAS: dict[str, str] = {}


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
    try:
        found: object = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise UsageError(f"{flag}: cannot load {path!r}: {type(error).__name__}: {error}") from error
    return found


def load_factory(name: str, flag: str = "--instrument") -> InstrumentFactory:
    """Return what builds the instrument `name`; raises `UsageError` when there is none of that name."""
    if name in BUILT_IN:
        try:
            return cast("InstrumentFactory", load_object(BUILT_IN[name], flag))
        except UsageError as error:
            if name in EXTRAS and isinstance(error.__cause__, ImportError):
                raise UsageError(f"{flag}: {name} needs {EXTRAS[name]}") from error
            raise
    if ":" in name:
        found = load_object(name, flag)
        if not callable(found):
            raise UsageError(f"{flag}: {name!r} cannot be called; it should be a class or function taking the views")
        return cast("InstrumentFactory", found)
    offered = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if name in offered:
        return cast("InstrumentFactory", offered[name].load())
    known = ", ".join([*BUILT_IN, *sorted(offered)])
    raise UsageError(f"{flag}: there is no instrument {name!r}; choose one of {known}, or give package.module:Name")


def create(name: str, views: tuple[View, ...], flag: str = "--instrument") -> Instrument:
    """Build the instrument `name` for `views`; raises `UsageError` or `InstrumentError` with the reason."""
    factory = load_factory(name, flag)
    try:
        instrument = factory(views)
    except Exception as error:
        raise InstrumentError(f"{flag}: {name} could not be built: {type(error).__name__}: {error}") from error
    if not isinstance(instrument, Instrument):
        raise UsageError(f"{flag}: {name} lacks record(), registry or close(); see docs/instruments.md")
    return instrument
