"""Experiments on the exporter: its page, its registry and its server."""

import re
import shutil
import subprocess
import urllib.error
from collections import Counter
from collections.abc import Callable
from typing import Any

from opencensus.stats import aggregation
from prometheus_client import REGISTRY, Gauge
from prometheus_client.registry import CollectorRegistry

from harness.probe.subject import LENGTH, NAMESPACE, ProbeSubject

__all__ = ["EXPORTING", "CannotProbe"]

Result = tuple[bool, str, dict[str, Any]]


class CannotProbe(Exception):  # noqa: N818 - not an error of the subject
    """An experiment is not possible here; the text has the reason."""


def _ours(page: str) -> str:
    """Return the lines of a page that belong to the views, without those of the process-wide registry."""
    return "".join(line + "\n" for line in page.splitlines() if re.match(rf"(# \w+ )?{NAMESPACE}_", line))


def repeated_help(subject: ProbeSubject) -> Result:
    """Record two tag sets and count the HELP and TYPE lines of each family."""
    subject.start().record("a")
    subject.record("b")
    page = subject.page()
    headers = re.findall(rf"^# (?:HELP|TYPE) ({NAMESPACE}_\w+)", page, re.MULTILINE)
    most = max(Counter(headers).values()) // 2
    return most > 1, f"2 tag sets: {most} HELP/TYPE pairs for one family", {"pairs": most}


def promtool_rejects(subject: ProbeSubject) -> Result:
    """Record two tag sets and run ``promtool check metrics`` on the page."""
    promtool = shutil.which("promtool")
    if promtool is None:
        raise CannotProbe("promtool is not on PATH; it comes with Debian's package prometheus")
    subject.start().record("a")
    subject.record("b")
    process = subprocess.run(  # noqa: S603 - the tool just found
        [promtool, "check", "metrics"],
        input=_ours(subject.page()),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    text = " ".join((process.stderr or process.stdout).split())[:200]
    return (
        process.returncode != 0,
        f"exit {process.returncode}{': ' * bool(text)}{text}",
        {"exit": process.returncode},
    )


def duplicate_series(subject: ProbeSubject) -> Result:
    """Omit a tag in one line, set it empty in another, and count the samples with the same labels."""
    subject.start().record(None)
    subject.record("")
    lines = [line.split(" ")[0] for line in _ours(subject.page()).splitlines() if "_lines_total{" in line]
    return len(lines) > 1, f"{len(lines)} samples with the labels {lines[0].partition('{')[2][:-1]}", {"samples": lines}


def _page_with(subject: ProbeSubject, how: Any) -> Result:
    """Test whether the page still works with a view of the aggregation `how`."""
    subject.start().view("other", LENGTH, how)
    subject.record()
    try:
        page = subject.page()
    except urllib.error.HTTPError as error:
        reason = ""
        try:
            list(subject.exporter.collector.collect())
        except Exception as cause:
            reason = f": {type(cause).__name__}: {cause}"
        return True, f"the scrape answers {error.code}{reason}", {"status": error.code}
    lines = [line for line in page.splitlines() if line.startswith(f"{NAMESPACE}_other")]
    return not lines, f"the page shows {lines}", {"shown": lines}


def sum_view_breaks_page(subject: ProbeSubject) -> Result:
    """Request the page with a view of a sum."""
    return _page_with(subject, aggregation.SumAggregation())


def last_value_view_breaks_page(subject: ProbeSubject) -> Result:
    """Request the page with a view of the last value."""
    return _page_with(subject, aggregation.LastValueAggregation())


def default_address_fails(subject: ProbeSubject) -> Result:
    """Pass namespace and port but no address, like the quickstart."""
    try:
        subject.export()
    except OSError as error:
        return True, f"{type(error).__name__}: {error}", {"errno": error.errno}
    return False, f"serves {subject.url}", {"url": subject.url}


def server_cannot_stop(subject: ProbeSubject) -> Result:
    """Call every method of the exporter that could stop it, then request the page again."""
    subject.start().record()
    calls = []
    for name in ("stop", "close", "shutdown", "stop_http", "server_close"):
        stop = getattr(subject.exporter, name, None)
        if callable(stop):
            stop()
            calls.append(name)
    if not subject.lean:
        subject.stats.view_manager.unregister_exporter(subject.exporter)
        calls.append("unregister_exporter")
    try:
        subject.page()
    except OSError as error:
        reason = getattr(error, "reason", error)
        return False, f"after {', '.join(calls)}: {reason}", {"called": calls}
    return True, f"after {', '.join(calls)} the page is still served", {"called": calls}


def registry_ignored(subject: ProbeSubject) -> Result:
    """Pass a registry with a metric and check whether the page is that registry's."""
    registry = CollectorRegistry()
    Gauge("only_mine", "in the registry that was given", registry=registry)
    Gauge("not_mine", "in the process-wide registry")
    subject.start(registry=registry).record()
    page = subject.page()
    mine, other = "\nonly_mine " in page, "\nnot_mine " in page
    evidence = f"the given registry's metric is {_presence(mine)}, the process-wide one's is {_presence(other)}"
    return not mine or other, evidence, {"given_shown": mine, "global_shown": other}


def _presence(present: bool) -> str:
    return "shown" if present else "not shown"


def registers_globally(subject: ProbeSubject) -> Result:
    """Pass another registry and count the collectors in the process-wide registry before and after."""
    before = len(REGISTRY._collector_to_names)  # noqa: SLF001 - the library offers no count
    subject.start().record()
    additions = len(REGISTRY._collector_to_names) - before  # noqa: SLF001
    return additions > 0, f"{additions} collectors added to the process-wide registry", {"added": additions}


def global_registry_raises(subject: ProbeSubject) -> Result:
    """Pass the process-wide registry, like a program with other metrics in it."""
    try:
        subject.start(registry=REGISTRY)
        for key in ("a", "b"):
            subject.record(key)
    except ValueError as error:
        return True, f"record() raises ValueError: {error}"[:160], {}
    return False, f"{subject.total('lines_total'):g} of 2 lines shown", {}


def shared_defaults(subject: ProbeSubject) -> Result:
    """Build two exporters without a registry and check whether they share one."""
    first: Any
    second: Any
    if subject.lean:
        import opencensus_lean

        with opencensus_lean.install("first", port=None) as one:
            first = one.registry
        with opencensus_lean.install("second", port=None) as two:
            second = two.registry
    else:
        from opencensus.ext.prometheus import stats_exporter

        first, second = (stats_exporter.Options(namespace=name).registry for name in ("first", "second"))
    same = first is second
    return same, f"two exporters {'share one registry' if same else 'have two registries'}", {}


EXPORTING: dict[str, Callable[[ProbeSubject], Result]] = {
    "repeated-help": repeated_help,
    "promtool-rejects": promtool_rejects,
    "duplicate-series": duplicate_series,
    "sum-view-breaks-page": sum_view_breaks_page,
    "last-value-view-breaks-page": last_value_view_breaks_page,
    "default-address-fails": default_address_fails,
    "server-cannot-stop": server_cannot_stop,
    "registry-ignored": registry_ignored,
    "registers-globally": registers_globally,
    "global-registry-raises": global_registry_raises,
    "shared-defaults": shared_defaults,
}
