"""Hosts that are network namespaces of this machine: a switch at the coordinator, and a cable to each of the others."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_PREFIX = "harness-host-"
_NETWORK = "10.213.77"


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def why_not() -> str:
    """Return why there can be no hosts here; empty where there can."""
    if shutil.which("ip") is None:
        return "ip is missing; install Debian's package iproute2"
    name = f"{_PREFIX}{os.getpid()}-probe"
    try:
        _ip("netns", "add", name)
        try:
            _ip("-n", name, "link", "add", "name", "one", "type", "veth", "peer", "name", "other")
            _ip("-n", name, "link", "add", "name", "switch", "type", "bridge")
        finally:
            _ip("netns", "del", name)
    except (OSError, subprocess.SubprocessError) as error:
        return f"network namespaces are not allowed here: {error}"
    return ""


class Hosts:
    """A coordinator's host, number 0, and others in one network; all of them have the loopback of a machine."""

    def __init__(self, others: int) -> None:
        self._names = [f"{_PREFIX}{os.getpid()}-{number}" for number in range(others + 1)]

    def make(self) -> None:
        for name in self._names:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        switch = self._names[0]
        _ip("-n", switch, "link", "add", "name", "switch", "type", "bridge")
        _ip("-n", switch, "addr", "add", f"{self.address(0)}/24", "dev", "switch")
        _ip("-n", switch, "link", "set", "switch", "up")
        for number, name in enumerate(self._names[1:], 1):
            _ip(
                "-n",
                switch,
                "link",
                "add",
                "name",
                f"port{number}",
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                name,
            )
            _ip("-n", switch, "link", "set", f"port{number}", "master", "switch", "up")
            _ip("-n", name, "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")

    @staticmethod
    def address(number: int) -> str:
        return f"{_NETWORK}.{number + 1}"

    def at(self, number: int) -> list[str]:
        """Return what goes before a command that is to run on a host."""
        return ["ip", "netns", "exec", self._names[number]]

    def cut(self, number: int) -> None:
        """Take the cable of a host away, at the switch, so that it hears of nothing."""
        _ip("-n", self._names[0], "link", "set", f"port{number}", "nomaster")

    def processes(self, number: int) -> list[psutil.Process]:
        """Return all processes on a host."""
        found = []
        for pid in _ip("netns", "pids", self._names[number]).split():
            with suppress(psutil.Error):
                found.append(psutil.Process(int(pid)))
        return found

    def remove(self) -> None:
        for name in self._names:
            _remove(name)


def _remove(name: str) -> None:
    with suppress(OSError, subprocess.SubprocessError):
        for pid in _ip("netns", "pids", name).split():
            with suppress(psutil.Error):
                psutil.Process(int(pid)).kill()
    with suppress(OSError, subprocess.SubprocessError):
        _ip("netns", "del", name)


def _sweep() -> None:
    """Remove the hosts of tests that were killed."""
    for path in Path("/run/netns").glob(f"{_PREFIX}*"):
        owner = path.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            _remove(path.name)


@contextmanager
def hosts(others: int) -> Iterator[Hosts]:
    """Yield the coordinator's host and so many others; whatever still runs on them afterwards is killed."""
    _sweep()
    made = Hosts(others)
    try:
        made.make()
        yield made
    finally:
        made.remove()
