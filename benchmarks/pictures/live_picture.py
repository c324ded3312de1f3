"""Makes the pictures of the live page for the docs: a real demo in Chromium, on a screen and on a phone.

    python benchmarks/pictures/live_picture.py [--after 120] [--folder docs/img] [-- FLAGS OF harness demo]

It starts `harness demo` on free ports, opens its page, waits for `--after` seconds and takes both pictures.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.harness.report.browser import Browser, browser  # noqa: E402 - a script has to find its checkout first

SIZES = {"live.png": (1100, 900, False), "live-phone.png": (360, 740, True)}


def address(process: "subprocess.Popen[str]") -> str:
    """Return the address that the demo prints first."""
    assert process.stderr is not None
    told = process.stderr.readline()
    found = re.search(r"live page: (http\S+)", told)
    if found is None:
        sys.exit(f"no live page, but: {told}")
    return found[1]


def photograph(window: Browser, folder: Path) -> None:
    """Write the page as it is now: its upper part on a screen and on a phone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (width, height, mobile) in SIZES.items():
        window.size(width, height, mobile=mobile)
        # The page draws at most once a second.
        time.sleep(2.0)
        window.photograph(folder / name, clip={"x": 0, "y": 0, "width": width, "height": height})
        print(f"{folder / name}: {(folder / name).stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Run the demo and make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--after", type=float, default=120.0, help="seconds after which the pictures are taken")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "img", help="where they are written")
    parser.add_argument("flags", nargs="*", help="flags of harness demo, after --")
    options = parser.parse_args()
    search = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as scratch, browser(Path(scratch)) as window:
        window.size(*SIZES["live.png"][:2])
        window.prefer(prefers_color_scheme="light")
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.cli", "demo", "--port", "0", "--quiet", *options.flags],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": search},
        )  # fmt: skip
        try:
            window.call("url", url=address(process))
            time.sleep(options.after)
            photograph(window, options.folder)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


if __name__ == "__main__":
    main()
