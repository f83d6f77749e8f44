"""Sending a message by HTTP, to an address that was checked, within a bounded time."""

import http.client
import io
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from time import monotonic
from typing import Any, cast

from events.destination import Destination, Refused, addresses_of

TIMEOUT = 10.0  # seconds for the whole of it
MAX_ANSWER = 64 * 1024  # bytes of the answer's head; its body is not read


class TooLong(OSError):
    """The answer is too long."""


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt: the HTTP status, or what went wrong before there was one."""

    status: int | None = None
    error: str = ""

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no more messages, as Standard Webhooks says of a 410."""
        return self.status == http.client.GONE

    def __str__(self) -> str:
        if self.status is None:
            return self.error
        redirects = ", and redirects are not followed" if 300 <= self.status < 400 else ""
        return f"the answer was {self.status}{redirects}"


def send(url: str, headers: Mapping[str, str], body: bytes, timeout: float = TIMEOUT) -> Outcome:
    """Send a POST, and return its outcome; whatever the receiver does is no exception."""
    deadline = _Deadline(timeout)
    try:
        destination = Destination.of(url)
        connection = _Connection(destination, _look_up(destination, deadline), deadline)
        try:
            connection.request("POST", destination.path, body, dict(headers))
            return Outcome(connection.getresponse().status)
        finally:
            connection.close()
    except TimeoutError:
        return Outcome(error=f"no answer within {timeout:g} s")
    except Refused as error:
        return Outcome(error=str(error))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Outcome(error=f"{type(error).__name__}: {error}"[:300])


def _look_up(destination: Destination, deadline: "_Deadline") -> list[str]:
    """Return the checked addresses of a destination; the system's look-up knows no deadline."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="look-up")
    found = executor.submit(addresses_of, destination)
    executor.shutdown(wait=False)
    return found.result(deadline.left())


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()  # of the system's certificates, or of SSL_CERT_FILE's


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._at = monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left; raises `TimeoutError` if there are none."""
        seconds = self._at - monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class _Connection(http.client.HTTPConnection):
    """A connection to the first reachable one of the addresses; the host's name is for TLS."""

    def __init__(self, destination: Destination, addresses: list[str], deadline: _Deadline) -> None:
        super().__init__(destination.host, destination.port)
        # So that the header Host has no port where the scheme implies it.
        self.default_port = 443 if destination.is_tls else 80
        self._destination, self._addresses = destination, addresses
        self._deadline = deadline

    def connect(self) -> None:
        """Connect; no proxy of the environment is used."""
        plain = self._connected()
        try:
            if self._destination.is_tls:
                plain.settimeout(self._deadline.left())
                plain = _context().wrap_socket(plain, server_hostname=self._destination.host)
        except BaseException:
            plain.close()
            raise
        self.sock = cast(Any, _BoundedSocket(plain, self._deadline))

    def _connected(self) -> socket.socket:
        failure: OSError | None = None
        for address in self._addresses:
            try:
                return socket.create_connection(
                    (address, self._destination.port), self._deadline.left()
                )
            except OSError as error:
                failure = error
        raise failure or Refused(f"{self._destination.host} has no address")


class _BoundedSocket:
    """A socket as `http.client` uses it, of which each operation heeds the same deadline."""

    def __init__(self, plain: socket.socket, deadline: _Deadline) -> None:
        self._socket, self._deadline = plain, deadline

    def sendall(self, data: Any) -> None:
        self._socket.settimeout(self._deadline.left())  # of all of it, not of each part
        self._socket.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReader(self._socket, self._deadline))

    def close(self) -> None:
        self._socket.close()


class _BoundedReader(io.RawIOBase):
    """What a socket receives until the deadline, and at most MAX_ANSWER bytes."""

    def __init__(self, plain: socket.socket, deadline: _Deadline) -> None:
        super().__init__()
        self._socket, self._deadline, self._n_read = plain, deadline, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._n_read >= MAX_ANSWER:
            raise TooLong(f"the answer's head has more than {MAX_ANSWER} bytes")
        self._socket.settimeout(self._deadline.left())
        n = self._socket.recv_into(buffer)
        self._n_read += n
        return n
