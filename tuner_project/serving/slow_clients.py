"""A gunicorn worker that limits how long a slow client can occupy a thread.

gunicorn's own threaded worker waits for a client without limit: with 2 threads, ten clients that
sent half of a request's head or body blocked a health check for the 40 s that they stayed
connected. This worker responds to it at once.
`tests/accept/test_slow_clients.py` tests it for heads, bodies and responses that are not read.

The main loop collects a request's head without using a thread. After that a thread waits for the
client at most CLIENT_TIMEOUT seconds to send the body, and as long to read the response. A client
that transfers at least MIN_RATE bytes per second regains that time. A body that does not arrive
in time causes a 408 (`tuner_project/rest/errors.py`); if a response is not read, the connection is
closed.
"""

import errno
import select
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from django.conf import settings
from gunicorn import util
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

MIN_RATE = 64 * 1024  # bytes per second
MAX_HEAD = 64 * 1024  # bytes that are collected; gunicorn's own limits reject longer heads
# Bytes of a rejected body that are read and discarded within gunicorn's 2 s, so that the client
# receives its 413. A slow client sends fewer, and may see a closed connection instead.
MAX_DRAIN = 64 * 2**20
_END_OF_HEAD = b"\r\n\r\n"
_REQUEST_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
T = TypeVar("T")


class ClientTooSlow(TimeoutError):
    """The client has used up its time; gunicorn does not log an error with this `errno`."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "the client is too slow")


class TimeBudget:
    """The seconds left for which a thread waits for a client; transferred bytes add to them."""

    def __init__(self) -> None:
        self.left = float(settings.CLIENT_TIMEOUT)

    def wait(self, sock: socket.socket, action: Callable[[], T], size: Callable[[T], int]) -> T:
        """Run an action on the socket, which transfers `size(result)` bytes, and return its result.

        Raises:
            ClientTooSlow: No time is left.
        """
        timeout = sock.gettimeout()
        limit = max(self.left, 0.001) if timeout is None else min(timeout, max(self.left, 0.001))
        sock.settimeout(limit)
        began = time.monotonic()
        try:
            moved = action()
        except TimeoutError:
            raise ClientTooSlow from None
        finally:
            self.left -= time.monotonic() - began
            sock.settimeout(timeout)
        self.regain(size(moved))
        return moved

    def regain(self, size: int) -> None:
        """Add the time for `size` bytes that the client has transferred."""
        self.left = min(self.left + size / MIN_RATE, settings.CLIENT_TIMEOUT)


class TimedSocket(socket.socket):
    """A socket whose blocking calls are limited by `TimeBudget`.

    What can be transferred at once is, by a single system call. The head of a response is held
    back until its body follows, or a thread would wait for the client, so that most responses are
    one segment.
    """

    def renew(self) -> None:
        """Reset the client's time for a new request."""
        self._reading, self._writing = TimeBudget(), TimeBudget()
        self._held: bytes = b""
        self._has_begun = False  # whether a part of the response was passed to `sendall`
        self.is_unread = False  # whether the client did not read the response

    def recv(self, size: int, flags: int = 0) -> bytes:
        timeout = self.gettimeout()
        if timeout == 0.0:  # non-blocking: called by the main loop
            return super().recv(size, flags)
        self.flush()
        if timeout is None:
            with suppress(BlockingIOError):
                data = super().recv(size, flags | socket.MSG_DONTWAIT)
                self._reading.regain(len(data))
                return data
        return self._reading.wait(self, partial(super().recv, size, flags), len)

    def sendall(self, data: bytes, flags: int = 0) -> None:  # type: ignore[override]
        if not self._has_begun and data.endswith(_END_OF_HEAD):
            self._held, self._has_begun = data, True
            return
        self._has_begun = True
        held, self._held = self._held, b""
        view = memoryview(held + data).cast("B")
        while view:
            view = view[self._send_some(view, flags) :]

    def flush(self) -> None:
        """Send what is held back."""
        if self._held:
            self.sendall(b"")

    def _send_some(self, view: memoryview, flags: int) -> int:
        if self.gettimeout() is None:
            with suppress(BlockingIOError):
                sent = super().send(view, flags | socket.MSG_DONTWAIT)
                self._writing.regain(sent)
                return sent
        try:
            return self._writing.wait(self, partial(super().send, view, flags), int)
        except ClientTooSlow:
            self.is_unread = True
            raise


class TimedConnection(TConn):
    """A connection that buffers the received part of a request's head."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        timed = TimedSocket(fileno=sock.detach())
        timed.renew()
        super().__init__(cfg, timed, client, server)
        self.data_ready = True  # a thread never waits for the first byte
        self.head = bytearray()
        self.is_over = False  # whether the client has closed it without sending a part of a head

    def has_head(self) -> bool:
        """Read the received bytes; return whether to hand the connection over to a thread.

        That is the case if the head is complete or too long, or the connection has ended.
        """
        before = len(self.head)
        try:
            data = self.sock.recv(MAX_HEAD)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self.head += data
        self.is_over = not data and not self.head
        is_whole = self.head.find(_END_OF_HEAD, max(before - len(_END_OF_HEAD), 0)) >= 0
        return not data or is_whole or len(self.head) >= MAX_HEAD

    def has_next_head(self, seconds: float) -> bool:
        """Return whether the head of the next request arrives within some seconds."""
        self.sock.setblocking(False)
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(seconds * 1000)) and self.has_head() and not self.is_over

    def init(self) -> None:
        super().init()
        self.parser.unreader.unread(bytes(self.head))
        self.head.clear()

    def close(self, graceful: bool = False) -> None:
        """Close at once; a thread has already done a graceful close if one was needed."""
        if self.head:
            with suppress(OSError):
                self.sock.send(_REQUEST_TIMEOUT)
        util.close(self.sock)


class TimedWorker(ThreadWorker):
    """gunicorn's threaded worker, which here gives a thread only requests with a complete head."""

    def accept(self, listener: socket.socket) -> None:
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        self._collect_head(TimedConnection(self.cfg, sock, client, listener.getsockname()))

    def on_client_socket_readable(self, conn: TimedConnection, client: socket.socket) -> None:
        """Handle received bytes on a keep-alive connection."""
        if conn.has_head() and not conn.is_over:
            super().on_client_socket_readable(conn, client)
            return
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        if conn.is_over:
            self._drop(conn)
        else:
            self._collect_head(conn)

    def on_pending_socket_readable(self, conn: TimedConnection, client: socket.socket) -> None:
        """Handle received bytes on a connection whose head is incomplete."""
        if not conn.has_head():
            return
        if conn.is_over:
            self.poller.unregister(client)
            self.pending_conns.remove(conn)
            self._drop(conn)
        else:
            super().on_pending_socket_readable(conn, client)

    def handle(self, conn: TimedConnection) -> Any:
        conn.sock.renew()
        is_kept = super().handle(conn)
        try:
            conn.sock.flush()  # of a response without a body
        except OSError:
            is_kept = False  # the client has gone, or does not read
        if not is_kept and not conn.sock.is_unread:
            # Done in the thread because it waits for the client, which the main loop must not.
            util.close_graceful(conn.sock, max_drain=MAX_DRAIN)
        return is_kept

    def _drop(self, conn: TimedConnection) -> None:
        """Close a connection that the client has closed, without using a thread."""
        self.nr_conns -= 1
        conn.close()

    def _collect_head(self, conn: TimedConnection) -> None:
        seconds = settings.CLIENT_TIMEOUT if self.alive else STOP_KEEPALIVE_LINGER
        conn.timeout = time.monotonic() + seconds
        self.pending_conns.append(conn)
        callback = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, callback)

    def _cap_keepalive(self, deadline: float) -> None:
        """On shutdown, apply the deadline to connections with an incomplete head, too."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)
