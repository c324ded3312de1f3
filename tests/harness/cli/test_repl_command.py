"""What `harness repl` promises, in real processes over real pipes, files, terminals and HTTP."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

COMMAND = [sys.executable, "-m", "harness.cli", "repl"]


def repl(*arguments: str, stdin: bytes = b"", timeout: float = 30) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *arguments], input=stdin, capture_output=True, timeout=timeout, check=False)


@pytest.fixture
def serving() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A REPL that waits for input, and its URL."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--linger", "60s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    match = re.search(rb"serving (http://127\.0\.0\.1:\d+/metrics)", process.stderr.readline())
    assert match is not None
    yield process, match[1].decode()
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - our own loopback address
        return str(response.read(), "utf-8")


def test_each_line_is_printed_once_upper_cased_and_it_ends_with_the_input() -> None:
    """A pipe gives exactly one output line for each input line, with or without a last line ending."""
    done = repl("--port", "0", stdin=b"hello\nw\xc3\xb6rld\r\n\nlast")
    assert done.stdout == "HELLO\nWÖRLD\n\nLAST\n".encode()
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


def test_a_file_is_read_as_a_pipe_is(tmp_path: Path) -> None:
    """FILE stands for standard input."""
    path = tmp_path / "lines.txt"
    path.write_bytes(b"one\ntwo\n")
    assert repl("--port", "0", str(path)).stdout == b"ONE\nTWO\n"


def test_bad_lines_are_named_on_standard_error_and_the_others_go_on() -> None:
    """Bytes that are not UTF-8, NUL and a line beyond 64 KiB are refused one by one."""
    done = repl("--port", "0", stdin=b"a\n\xff\n\0\n" + b"x" * 70_000 + b"\nb\n")
    assert done.stdout == b"A\nB\n"
    refused = re.findall(rb"a line of (\d+) bytes was refused: (\w+)", done.stderr)
    assert refused == [(b"1", b"not_utf8"), (b"1", b"nul"), (b"70000", b"too_long")]


def test_the_quickstarts_metrics_are_served_under_its_names(serving: tuple[subprocess.Popen[bytes], str]) -> None:
    """Lines in, their lengths in bytes, latencies and errors stand on the page with the quickstart's tags."""
    process, url = serving
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("é\nhello!\n\0\n".encode())
    process.stdin.close()
    assert process.stdout.readline() == "É\n".encode()
    assert process.stdout.readline() == b"HELLO!\n"
    assert process.stderr is not None
    while b"the input has ended" not in process.stderr.readline():
        pass
    text = page(url)
    assert 'oc_python_demo_lines_in_total{error="",method="repl",status="OK"} 2.0' in text
    assert 'oc_python_demo_line_lengths_sum{error="",method="repl",status="OK"} 8.0' in text
    assert 'oc_python_demo_latency_count{error="",method="repl",status="OK"} 2.0' in text
    assert 'oc_python_demo_errors_total{error="nul",method="repl",status="ERROR"} 1.0' in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_when_told_to(serving: tuple[subprocess.Popen[bytes], str], number: signal.Signals) -> None:
    """Ctrl-C ends it as the end of the input does; a termination is no traceback either, and the port is free again."""
    process, url = serving
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == (0 if number == signal.SIGINT else 143)
    assert b"Traceback" not in errors
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(url.split(":")[2].split("/")[0]))) != 0


def test_a_taken_port_is_one_clear_line() -> None:
    """The line names the flag; nothing else is printed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = repl("--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"--port" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["/no/such/file"], b"FILE"),
        (["/"], b"FILE"),
        (["--port", "70000"], b"--port"),
        (["--port", "x"], b"--port"),
        (["--linger", "soon"], b"--linger"),
        (["--address", "no such host"], b"--address"),
        (["--instrument", "nonsense"], b"--instrument"),
        (["--instrument", "no.such:Thing"], b"--instrument"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_flag(arguments: list[str], names: bytes) -> None:
    """No traceback reaches anybody."""
    extra = [] if "--port" in arguments else ["--port", "0"]
    done = repl(*arguments, *extra)
    assert done.returncode in (1, 2)
    told = [line for line in done.stderr.splitlines() if b"serving" not in line]
    assert len(told) == 1
    assert names in told[0]


def test_a_terminal_gets_a_prompt_and_ctrl_d_ends_it() -> None:
    """On a terminal one types at a prompt and sees the answer at once."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--port", "0"], stdin=slave, stdout=slave, stderr=subprocess.DEVNULL, start_new_session=True
    )
    os.close(slave)
    seen = b""

    def read_until(text: bytes) -> None:
        nonlocal seen
        deadline = time.monotonic() + 20
        while text not in seen:
            assert select.select([master], [], [], deadline - time.monotonic())[0], seen
            seen += os.read(master, 4096)

    try:
        read_until(b"> ")
        os.write(master, b"hello\n")
        read_until(b"HELLO\r\n> ")
        os.write(master, b"\x04")
        # A terminal that nobody reads holds its writer back; EIO tells that the last writer has gone.
        with pytest.raises(OSError, match="Input/output error"):
            read_until(b"there is no such text")
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)
