"""Bytes sent to a service as they are, and what comes back."""

import socket
from dataclasses import dataclass

SECONDS = 30  # in which something must have come back


@dataclass(frozen=True)
class RawAnswer:
    """The first answer on a connection; status 0 where it was closed without one."""

    status: int
    text: bytes


def connect(port: int, receive_buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(SECONDS)
    connection.connect(("127.0.0.1", port))
    return connection


def exchange(port: int, request: bytes, *, is_whole: bool = True) -> RawAnswer:
    """What is answered to these bytes; with `is_whole` no more of them can be waited for.

    Raises `TimeoutError` where the connection hangs.
    """
    with connect(port) as connection:
        try:
            connection.sendall(request)
            if is_whole:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before its end, and the answer may be there
        return answer_on(connection)


def answer_on(connection: socket.socket) -> RawAnswer:
    """All that comes until the other side closes, of which the first line is read."""
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    words = received.split(b"\r\n", 1)[0].split(b" ")
    is_http = len(words) > 1 and words[0].startswith(b"HTTP/1.")
    return RawAnswer(int(words[1]) if is_http else 0, received)
