"""A WSGI application for gunicorn: its instrument is built when it is loaded, before workers are forked."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import make_wsgi_app

from harness.instruments import create
from harness.views import QUICKSTART_VIEWS, Tags

instrument = create(os.environ["INSTRUMENT"], QUICKSTART_VIEWS)
metrics: Callable[..., Iterable[bytes]] = make_wsgi_app(instrument.registry)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Record a request and answer with the number of the process; serve the page on /metrics."""
    if environ["PATH_INFO"] == "/metrics":
        return metrics(environ, start_response)
    instrument.record(1.0, 5, Tags())
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
