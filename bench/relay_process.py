"""The process of a relay: `python -m bench.relay_process HOST PORT SECONDS`.

It connects to PostgreSQL at HOST and PORT, prints the port that it listens on, and delays each
direction by SECONDS. Each line on its standard input is a command, and is answered by a line of
JSON. The process ends with its input.

One thread, and `select`, whose timeout is in microseconds: `epoll`, as in asyncio, waits for whole
milliseconds.
"""

import ctypes
import json
import select
import signal
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from bench.turn_counter import MessageTypes, TurnCounter

_CHUNK = 1 << 16
_MOST_HELD = 1 << 20  # bytes of one direction, before no more are read
_ENCRYPTION = {80877103, 80877104}  # requests for TLS and for GSS: a length and this code
_PR_SET_TIMERSLACK = 29
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class Direction:
    """The bytes that the source has sent and the target has not received."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self.source, self.target = source, target
        self.n_held = 0
        self.due = bytearray()  # the delay has passed, but the target takes no more for now
        self.has_ended = False  # the source has closed
        self.is_ending = False  # and the delay has passed for this, too

    @property
    def is_read(self) -> bool:
        return not self.has_ended and self.n_held < _MOST_HELD

    def send(self) -> None:
        """Send what is due, as much as the target takes."""
        try:
            n = self.target.send(self.due)
        except BlockingIOError:
            return
        del self.due[:n]
        self.n_held -= n


class Link:
    """One connection of a client, and its own one to the server."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.up, self.down = Direction(client, server), Direction(server, client)
        self.counter = TurnCounter()
        self._requests, self._answers = MessageTypes(), MessageTypes()
        self._start: bytearray | None = bytearray()  # of the first packet, while it is incomplete
        self.is_open = True

    def read(self, direction: Direction) -> bytes:
        """Return what the source has sent and is to be sent on."""
        try:
            chunk = direction.source.recv(_CHUNK)
        except BlockingIOError:
            return b""
        direction.has_ended = not chunk
        if direction is self.up:
            if self._start is not None:
                chunk = self._read_start(chunk)
            else:
                for kind in self._requests.of(chunk):
                    self.counter.sent(kind)
        direction.n_held += len(chunk)
        return chunk

    def _read_start(self, chunk: bytes) -> bytes:
        """Return the packet that starts a connection; it has no type.

        Encryption, which would hide the messages, is refused as by a server that has none.
        """
        assert self._start is not None  # noqa: S101
        self._start += chunk
        while len(self._start) >= 8:
            length, code = struct.unpack("!ii", self._start[:8])
            if code not in _ENCRYPTION:
                break
            del self._start[:8]
            self.up.source.sendall(b"N")
        else:
            return b""
        if len(self._start) < length:
            return b""
        packet, self._start = bytes(self._start), None
        return packet

    def deliver(self, direction: Direction, chunk: bytes) -> None:
        """Send on what has been delayed; an empty chunk is the end."""
        if direction is self.down:
            for kind in self._answers.of(chunk):
                self.counter.received(kind)
        direction.is_ending |= not chunk
        direction.due += chunk
        self.send(direction)

    def send(self, direction: Direction) -> None:
        if direction.due:
            direction.send()
        if direction.is_ending and not direction.due:
            self.close()

    def close(self, *, abruptly: bool = False) -> None:
        """Close both sides, once; abruptly, the client's connection is reset."""
        if not self.is_open:
            return
        self.is_open = False
        for end in (self.up.source, self.down.source):
            if abruptly and end.family == socket.AF_INET:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            end.close()


class Relay:
    """All connections, and what is on its way in them."""

    def __init__(self, listener: socket.socket, host: str, port: int, seconds: float) -> None:
        self._listener, self._host, self._port, self._seconds = listener, host, port, seconds
        self._links: list[Link] = []
        self._n_ended = 0  # turns of closed connections
        self._delayed: deque[tuple[float, Link, Direction, bytes]] = deque()

    def run(self) -> None:
        """Serve until the input ends."""
        while True:
            self._forget_closed()
            both = [(link, way) for link in self._links for way in (link.up, link.down)]
            sources = {way.source: (link, way) for link, way in both if way.is_read}
            targets = {way.target: (link, way) for link, way in both if way.due}
            readable, writable, _ = select.select(
                [sys.stdin, self._listener, *sources], targets, [], self._seconds_left()
            )
            self._deliver_due()
            for target in writable:
                link, way = targets[target]
                with _closed_if_broken(link):
                    link.send(way)
            for source in readable:
                if source in sources:
                    self._read(*sources[source])
                elif source is self._listener:
                    self._accept()
                elif not self._obey(sys.stdin.readline().strip()):
                    return

    def _forget_closed(self) -> None:
        self._n_ended += sum(link.counter.turns for link in self._links if not link.is_open)
        self._links = [link for link in self._links if link.is_open]

    def _seconds_left(self) -> float | None:
        """Return when the next chunk is due; None if nothing is on its way."""
        return max(0.0, self._delayed[0][0] - time.perf_counter()) if self._delayed else None

    def _deliver_due(self) -> None:
        while self._delayed and self._delayed[0][0] <= time.perf_counter():
            _, link, way, chunk = self._delayed.popleft()
            with _closed_if_broken(link):
                link.deliver(way, chunk)

    def _read(self, link: Link, way: Direction) -> None:
        due = time.perf_counter() + self._seconds
        with _closed_if_broken(link):
            chunk = link.read(way)
            if chunk or way.has_ended:
                self._delayed.append((due, link, way, chunk))

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:  # the client has left meanwhile
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            server = _connected(self._host, self._port)
        except OSError:  # PostgreSQL is down, and so is its relay
            client.close()
            return
        link = Link(client, server)
        client.setblocking(False)
        server.setblocking(False)
        self._links.append(link)

    def _obey(self, command: str) -> bool:
        """Obey a command of the parent; False at the end of the input."""
        if command == "reset":
            self._n_ended = 0
            for link in self._links:
                link.counter.turns = 0
        elif command in {"cut", "close"}:
            for link in self._links:
                link.close(abruptly=command == "cut")
        elif command != "turns":
            return False
        print(
            json.dumps([self._n_ended, *(each.counter.turns for each in self._links)]), flush=True
        )
        return True


@contextmanager
def _closed_if_broken(link: Link) -> Iterator[None]:
    """Do nothing with a closed connection, and close one that fails, as abruptly."""
    try:
        yield
    except OSError:
        link.close(abruptly=True)


def _connected(host: str, port: int) -> socket.socket:
    if host.startswith("/"):  # the folder of its Unix socket, as libpq has it
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server
    server = socket.create_connection((host, port))
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return server


def _wake_up_in_time() -> None:
    """Let the kernel be microseconds late, not its usual 50 and more."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1000)


def main(host: str, port: str, seconds: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its input
    _wake_up_in_time()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        print(listener.getsockname()[1], flush=True)
        Relay(listener, host, int(port), float(seconds)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
