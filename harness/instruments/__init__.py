"""Ways of recording a line, one file each, behind one small protocol; found by name, entry point or ``module:Name``."""

from harness.instruments.base import Instrument, InstrumentFactory
from harness.instruments.catalog import BUILT_IN, create, load_factory

__all__ = ["BUILT_IN", "Instrument", "InstrumentFactory", "create", "load_factory"]
