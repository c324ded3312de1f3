"""What cannot be listened on is one line about the address or the port."""

import contextlib
import socket

import pytest

from harness.errors import EndpointError
from harness.scrape.listening import listen


def test_a_taken_port_is_one_clear_line() -> None:
    """The error is one of the port, and says a way out."""
    with contextlib.closing(listen("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        message = rf"^{port} is already in use on 127\.0\.0\.1; choose another"
        with pytest.raises(EndpointError, match=message) as raised:
            listen("127.0.0.1", port)
    assert raised.value.field == "port"


@pytest.mark.parametrize(
    ("address", "port", "field", "message"),
    [
        ("", 0, "address", "is empty"),
        ("192.0.2.1", 0, "address", "'192.0.2.1' is no address of this machine"),
        ("no host", 0, "address", "'no host' is no address of this machine"),
        ("x" * 70, 0, "address", "'x+' is no address of this machine"),
        ("127.0.0.1", -1, "port", "-1 is not a port"),
        ("127.0.0.1", 65_536, "port", "65536 is not a port"),
    ],
)
def test_bad_addresses_and_ports_name_the_field(address: str, port: int, field: str, message: str) -> None:
    """Each is one line about the parameter to change."""
    with pytest.raises(EndpointError, match=f"^{message}") as raised:
        listen(address, port)
    assert "\n" not in str(raised.value)
    assert raised.value.field == field


def test_a_port_without_the_privilege_names_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """A privileged port is told apart from a taken one."""

    def refuse(listener: object, where: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(EndpointError, match=r"^80 may not be used without privileges") as raised:
        listen("127.0.0.1", 80)
    assert raised.value.field == "port"
