"""Libraries that a process has actually loaded: their files, and the versions these files belong to.

What pip lists and what a process imports can differ: a folder on ``PYTHONPATH``, or a checkout beside the user, goes
before what is installed. So the process that is measured tells the files, and a version counts only where an installed
distribution owns the file.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["LIBRARIES", "belongs_to", "loaded_libraries", "portable", "version_here"]

# Distribution -> a module of it that recording imports.
LIBRARIES: Mapping[str, str] = {
    "recording-harness": "harness",
    "opencensus": "opencensus.stats",
    "opencensus-ext-prometheus": "opencensus.ext.prometheus",
    "prometheus-client": "prometheus_client",
    "opentelemetry-sdk": "opentelemetry.sdk.metrics",
    "opentelemetry-exporter-prometheus": "opentelemetry.exporter.prometheus",
    "opentelemetry-exporter-otlp-proto-http": "opentelemetry.exporter.otlp.proto.http",
    "statsd": "statsd",
    "datadog": "datadog.dogstatsd.base",
}


def loaded_libraries(own_module: str = "") -> list[tuple[str, str]]:
    """Return (library, file) of each library measured that this process has imported, and of the user's own module.

    The user's module is called by its own name.
    """
    wanted = [*LIBRARIES.items(), *([(own_module, own_module)] if own_module else [])]
    result = [(library, getattr(sys.modules.get(module), "__file__", None)) for library, module in wanted]
    return [(library, file) for library, file in result if file]


def belongs_to(library: str, file: str, search: Sequence[str]) -> str:
    """Return the version of the installed distribution `library`, found along `search`, that owns `file`.

    It owns what lies in the folder it is installed in, and what lies in the tree of an editable installation. Empty
    where none does. For modules, names are those of distributions.
    """
    from importlib.metadata import distributions

    for distribution in distributions(name=library.replace("_", "-"), path=list(search)):
        if _inside(file, str(distribution.locate_file(""))) or _inside(file, _editable(distribution)):
            return distribution.version
    return ""


def version_here(library: str) -> str | None:
    """Return the version of `library` in this process: that of the loaded file, else the installed one; None for none.

    A loaded file that no installed distribution owns gives ``from`` and its place.
    """
    from importlib.metadata import PackageNotFoundError, version

    for name, file in loaded_libraries():
        if name == library:
            return belongs_to(name, file, sys.path) or f"from {portable(file)}"
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def portable(file: str, python: str = "") -> str:
    """Return a file as a result names it: relative to its environment, to this project or to the working directory.

    `python` is the interpreter of the environment, empty for ours. A file in none of them keeps its path, from the
    user's home folder on where it lies there.
    """
    from harness.children import PROJECT

    prefix = os.path.dirname(os.path.dirname(python)) if python else sys.prefix  # noqa: PTH120 - strings
    for folder in (prefix, PROJECT, os.getcwd()):  # noqa: PTH109
        if file.startswith(os.path.join(folder, "")):  # noqa: PTH118
            return os.path.relpath(file, folder)
    home = os.path.join(os.path.expanduser("~"), "")  # noqa: PTH111, PTH118
    return f"~/{file.removeprefix(home)}" if file.startswith(home) else file


def _editable(distribution: Any) -> str:
    """Return the tree that an editable installation leads to (PEP 610), empty for others."""
    import json
    from urllib.parse import unquote, urlsplit

    try:
        reported = json.loads(distribution.read_text("direct_url.json") or "{}")
        return unquote(urlsplit(reported["url"]).path) if reported["dir_info"]["editable"] else ""
    except (KeyError, TypeError, ValueError, OSError):
        return ""


def _inside(file: str, folder: str) -> bool:
    if not folder:
        return False
    real = os.path.realpath
    return real(file).startswith(os.path.join(real(folder), ""))  # noqa: PTH118 - paths are strings here
