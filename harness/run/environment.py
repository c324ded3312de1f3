"""What a result must say about the machine and the software that produced it."""

import os
import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MEASURED_LIBRARIES", "Environment", "environment"]

# What a figure may depend on: the libraries measured, and those in the measuring path.
MEASURED_LIBRARIES = (
    "recording-harness",
    "opencensus",
    "opencensus-ext-prometheus",
    "prometheus-client",
    "opentelemetry-sdk",
    "opentelemetry-exporter-prometheus",
    "numpy",
    "hdrhistogram",
    "faker",
)


class Environment(BaseModel):
    """The machine, the interpreter and the library versions of one result."""

    model_config = ConfigDict(frozen=True)

    cpu: str = Field(description="model name of the processor")
    cpu_count: int = Field(description="logical processors this process may use")
    memory_bytes: int
    kernel: str
    machine: str
    python: str = Field(description="implementation and version")
    python_build: str
    hash_seed: str = Field(description="PYTHONHASHSEED, or 'random'")
    libraries: dict[str, str] = Field(description="installed versions")


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def environment() -> Environment:
    """Return this process's environment; read once."""
    return Environment(
        cpu=_cpu_model(),
        cpu_count=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        python_build=" ".join([*platform.python_build(), platform.python_compiler(), sys.version.split()[0]]),
        hash_seed=os.environ.get("PYTHONHASHSEED", "random"),
        libraries={name: found for name in MEASURED_LIBRARIES if (found := _version(name)) is not None},
    )
