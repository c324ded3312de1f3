"""The flags of a live page, and the page while a command serves it."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.cli.command import option_group
from harness.errors import HarnessError
from workloads.incidents import KINDS

if TYPE_CHECKING:
    from harness.live.feed import LivePage
    from workloads.incidents import Incident

__all__ = ["incident_facts", "live_option", "page_options", "served_page", "stay"]

F = TypeVar("F", bound=Callable[..., Any])

_page = option_group("Live page")
# How long a finished run waits for somebody to close its page.
_STAY_S = 600.0


def page_options(command: F) -> F:
    """Add the flags of a live page: `live_port` and `open_page`."""
    opened = _page("--open", "open_page", is_flag=True, help="Open the live page in a browser.")
    port = _page(
        "--live-port",
        type=click.IntRange(0, 65535),
        metavar="PORT",
        help="Port of the live page on 127.0.0.1. [default: any free one]",
    )
    return port(opened(command))


def incident_facts(incidents: "Iterable[Incident]") -> dict[str, Any]:
    """Return what a page says of incidents: those that its buttons switch on, and those that are scheduled."""
    return {
        "kinds": {name: f"{kind.does[:1].upper()}{kind.does[1:]}." for name, kind in KINDS.items()},
        "scheduled": [(each.kind, each.start_ns, each.start_ns + each.duration_ns) for each in incidents],
    }


def live_option(command: F) -> F:
    """Add --live, for commands that serve a page only when asked to; the other flags ask for it, too."""
    return _page("--live", is_flag=True, help="Serve a page on 127.0.0.1 that shows the run while it goes on.")(command)


@contextmanager
def served_page(about: "Mapping[str, Any]", port: int | None, *, open_page: bool) -> "Iterator[LivePage]":
    """Serve a page and print its address; it ends with the block, and says why where that failed."""
    from harness.live.feed import LivePage

    with LivePage(about, port or 0, open_browser=open_page) as page:
        click.echo(f"harness: live page: {page.url}", err=True)
        if page.opened is False:
            click.echo("harness: no browser could be opened; open the address in one yourself", err=True)
        try:
            yield page
        except HarnessError as error:
            page.tell({"end": f"Failed: {error}"})
            raise
        except KeyboardInterrupt:
            page.tell({"end": "Interrupted"})
            raise


def stay(page: "LivePage", *, quiet: bool) -> None:
    """Keep the page of a finished run until it is closed, for ten minutes at most.

    Without a terminal, or when `quiet`, return at once: a script is not to wait for somebody to look.
    """
    if quiet or page.gone or not sys.stderr.isatty():
        return
    page.tell({"stays_s": _STAY_S})
    click.echo(f"harness: {page.url} stays until it is closed there, until Ctrl-C, or for ten minutes", err=True)
    try:
        page.wait_closed(_STAY_S)
    except KeyboardInterrupt:
        # The run is complete and its result kept: this closes the page and is no interruption.
        return
