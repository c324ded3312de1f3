"""The environment of a result: the machine and the software that produced it."""

import os
import platform
import sys
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from harness.host.libraries import version_here
from harness.host.topology import choose, kinds, read_topology, sibling_groups

__all__ = ["MEASURED_LIBRARIES", "Environment", "environment"]

# What a figure may depend on: the libraries measured, and those in the measuring path.
MEASURED_LIBRARIES = (
    "recording-harness",
    "opencensus",
    "opencensus-ext-prometheus",
    "prometheus-client",
    "opentelemetry-sdk",
    "opentelemetry-exporter-prometheus",
    "opentelemetry-exporter-otlp-proto-http",
    "statsd",
    "datadog",
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
    libraries: dict[str, str] = Field(description="versions, of what a measured process loaded as it saw them")
    siblings: list[list[int]] = Field(
        default=[], description="numbers of the logical processors of each core; empty where the system does not tell"
    )
    core_types: dict[str, list[int]] = Field(
        default={}, description="processors by kind, performance or efficiency; one kind where all are alike"
    )
    measured_cpu: int | None = Field(None, description="the processor that paired processes are measured on")
    cpu_note: str = Field("", description="what a reader has to know about the processors used; empty for nothing")


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@cache
def environment() -> Environment:
    """Return this process's environment; read once."""
    cpus, allowed = read_topology(), os.sched_getaffinity(0)
    chosen = choose(cpus, allowed)
    return Environment(
        cpu=_cpu_model(),
        cpu_count=len(allowed),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        python_build=" ".join([*platform.python_build(), platform.python_compiler(), sys.version.split()[0]]),
        hash_seed=os.environ.get("PYTHONHASHSEED", "random"),
        libraries={name: result for name in MEASURED_LIBRARIES if (result := version_here(name)) is not None},
        siblings=sibling_groups(cpus),
        core_types={**kinds(cpus)},
        measured_cpu=chosen.measured,
        cpu_note=chosen.note,
    )
