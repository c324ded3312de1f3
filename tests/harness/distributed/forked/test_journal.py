"""What a worker had recorded is known however it ends."""

import os
import signal

import pytest

from harness.distributed.forked.journal import Journal


def test_it_hands_on_what_it_writes() -> None:
    """The ledger hears every latency as without a journal."""
    kept: list[float] = []
    journal = Journal()
    keep = journal.keeping(kept.append)
    for latency in (1.5, 0.0, 2.5):
        keep(latency)
    assert kept == [1.5, 0.0, 2.5]
    journal.close()


@pytest.mark.parametrize("lines", [0, 3, 70_000])
def test_what_a_killed_process_wrote_is_read_by_the_one_that_forked_it(lines: int) -> None:
    """To the last line, also beyond the first piece of the file; a latency of 0 counts as a line."""
    journal = Journal()
    if not (pid := os.fork()):
        keep = journal.keeping(lambda _latency: None)
        for line in range(lines):
            keep(line / 7)
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert journal.latencies_ms().tolist() == pytest.approx([line / 7 for line in range(lines)])
    journal.close()
