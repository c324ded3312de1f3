"""Connections to a machine that gives no sign any more: gone, or cut off."""

import socket

__all__ = ["end_when_silent"]

# Seconds of silence until the first question, between two, and their number.
_KEEPALIVE = (("TCP_KEEPIDLE", 1), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 3))


def end_when_silent(connection: socket.socket, silence_s: float) -> None:
    """Let the system end a connection whose other machine has given no sign for `silence_s` seconds.

    The system asks and answers by itself, so a process that is busy or stopped is not taken for one that is gone. One
    that does not read what it is sent for so long is.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (*_KEEPALIVE, ("TCP_USER_TIMEOUT", round(1000 * silence_s))):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
