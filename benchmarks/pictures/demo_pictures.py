"""Makes the pictures of the console for the docs, from real demos and Chromium.

    python benchmarks/pictures/demo_pictures.py [--output docs/img]

The first demo has ordinary traffic, the second refuses every third line and takes longer for each. In both the console
is photographed once its pictures are a minute long and, in the second, once its two alerts fire: three minutes in all.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.harness.cli.commands import running  # noqa: E402 - a script has to find its checkout first
from tests.harness.report.browser import Browser, browser  # noqa: E402

# As wide as a page on GitHub shows them.
WIDE, PHONE = 830, 360
LENGTH_S = 75.0
PATIENCE_S = 60.0


@contextmanager
def console(*flags: str) -> Iterator[Browser]:
    """Run a demo for a while and yield a browser on its console, showing one minute."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        running(Path(scratch), ["demo", "--port", "0", *flags]) as command,
        browser(Path(scratch)) as window,
    ):
        if not command.wait_until_told("dashboard and alerts: .*\n"):
            sys.exit(command.told)
        window.call("url", url=command.told.partition("alerts: ")[2].split()[0])
        time.sleep(LENGTH_S)
        window.run("document.querySelector('#ranges button').click()")
        yield window
        # Not SIGINT, which a script in the background ignores, and its children with it.
        command.interrupt(signal.SIGTERM)
        command.ended()


def wait(window: Browser, condition: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not window.run(f"return {condition};"):
        if time.monotonic() > deadline:
            sys.exit(f"not within {PATIENCE_S:g} s: {condition}")
        time.sleep(0.1)


def photograph(window: Browser, path: Path, width: int, scheme: str, until: str) -> None:
    """Write the page from its top to the lower end of the element `until` as PNG."""
    window.size(width, mobile=width == PHONE)
    window.prefer(prefers_color_scheme=scheme)
    # Wait for pictures of the new width: each is drawn with one unit a pixel.
    wait(
        window,
        "[...document.querySelectorAll('#pictures svg')].every(s =>"
        " Math.abs(s.viewBox.baseVal.width - s.getBoundingClientRect().width) < 1)",
    )
    end = window.run(f"return document.querySelector('{until}').getBoundingClientRect().bottom + scrollY")
    window.photograph(path, clip={"x": 0, "y": 0, "width": width, "height": end + 12})
    # A third of the bytes. Few colours are enough, if rare ones are kept: those of thin curves.
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "img")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    with console() as window:
        photograph(window, folder / "demo-console.png", WIDE, "light", "#panel-7")
    with console("--errors", "33%", "--service-time", "20ms") as window:
        wait(window, "document.querySelectorAll('#alerts .firing').length >= 2")
        photograph(window, folder / "demo-alerts.png", WIDE, "dark", "#alerts")
        photograph(window, folder / "demo-phone.png", PHONE, "dark", "#panel-0")


if __name__ == "__main__":
    main()
