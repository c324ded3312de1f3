"""Stand-ins for the clock and the run queue, shared by the tests of everything that is timed."""

from harness.load.cpu_time import Turns


class FakeClock:
    """A clock that moves only when it is told to, or when somebody waits."""

    def __init__(self, now_ns: int = 1_000_000_000) -> None:
        self.now = now_ns
        self.waits: list[int] = []

    def now_ns(self) -> int:
        return self.now

    def wait_until(self, ns: int, /) -> None:
        self.waits.append(ns)
        self.now = max(self.now, ns)

    def advance(self, ns: int) -> None:
        self.now += ns


class FakeRunQueue:
    """A run queue in which the thread has waited as long as it is told."""

    def __init__(self) -> None:
        self.running_ns = self.waited_ns = 0

    def read(self) -> Turns:
        return Turns(self.running_ns, self.waited_ns)
