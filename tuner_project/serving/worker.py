"""A gunicorn worker with a bounded queue, which stops without losing a request.

gunicorn's own threaded worker lets any number of requests wait for a thread, including health
checks. On shutdown it still accepts connections, which it then closes without a response.
`tests/tuner_project/serving/test_overload.py` and `tests/accept/test_shutdown.py` test the
difference.
"""

import select
import socket
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.conf import settings

from tuner_project.serving.connection_counts import ConnectionCounts
from tuner_project.serving.overload import PROBES, refuse_here
from tuner_project.serving.slow_clients import TimedConnection, TimedWorker

# How long a thread waits for the next request of a connection: clients often have one as soon as
# they have the response. To hand the connection to the main loop and back takes a tenth of the CPU
# time of a request.
LINGER = 0.002  # seconds
# How long, and how often, a worker leaves a new connection to one that has fewer.
YIELD = 0.001  # seconds
MAX_YIELDS = 10
RESERVE_THREADS = 2
RESERVE_WAITING = 200
_PROBES = tuple(f"GET {path}".encode() for path in PROBES)

connection_counts = ConnectionCounts()


class BoundedWorker(TimedWorker):
    """A worker with a bounded queue.

    At most WEB_WAITING requests wait for a thread, each for at most WEB_WAITING_TIMEOUT seconds.
    The others go to reserve threads, which refuse them (`overload.py`) but serve health checks.
    If RESERVE_WAITING requests wait for those, the connection is closed.

    A new connection is left to the worker that has the fewest, if that accepts it at once.

    On shutdown the port is closed at once, so that a load balancer uses another instance.
    """

    @property
    def nr_conns(self) -> int:
        """The number of open connections; only the main loop sets it."""
        return self._n_connections

    @nr_conns.setter
    def nr_conns(self, n: int) -> None:
        self._n_connections = n
        self._publish_connections()

    def _publish_connections(self) -> None:
        """Tell the other workers how many connections this one has, while it accepts more."""
        slot: int | None = getattr(self, "metrics_slot", None)  # None until `pre_fork` assigns it
        if slot is None:
            return
        if self._accepting:
            connection_counts.publish(slot, self._n_connections)
        else:
            connection_counts.remove(slot)

    def init_process(self) -> None:
        self._reserve = ThreadPoolExecutor(RESERVE_THREADS, "reserve", initializer=refuse_here)
        # (deadline, future, connection) in the order of submission, removed once begun or expired.
        self._queue: deque[tuple[float, Future[Any], Any]] = deque()
        self._n_given = 0  # requests submitted to the threads and not finished
        self._n_reserved = 0
        # A request looks up two dozen settings. This makes them plain attributes, as none changes
        # in a worker; `Config` looks each up by name in two dictionaries.
        self.cfg.__dict__.update({name: each.get() for name, each in self.cfg.settings.items()})
        super().init_process()

    def accept(self, listener: socket.socket) -> None:
        if self.alive:
            self._yield_to_others(listener)
        super().accept(listener)

    def _yield_to_others(self, listener: socket.socket) -> None:
        """Wait while a worker with fewer connections could accept the new one instead."""
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        for _ in range(MAX_YIELDS):
            if not (connection_counts.has_fewer_elsewhere(self.nr_conns) and poll.poll(0)):
                return
            time.sleep(YIELD)

    def enqueue_req(self, conn: Any) -> None:
        n_waiting = self._n_given - self.cfg.threads
        if n_waiting >= 0 and (n_waiting >= settings.WEB_WAITING or _is_probe(conn)):
            self._give_to_reserve(conn)
            return
        self._n_given += 1
        future = self.tpool.submit(self._handle_all, conn)
        self._queue.append((time.monotonic() + settings.WEB_WAITING_TIMEOUT, future, conn))
        future.add_done_callback(lambda done: self._when_done(conn, done, 1, 0))

    def _handle_all(self, conn: TimedConnection) -> Any:
        """Serve a request, and those that follow it at once while no other waits for a thread."""
        is_kept = self.handle(conn)
        while (
            is_kept
            and self.alive
            and self._n_given <= self.cfg.threads
            and not conn.parser.unreader.buf.getvalue()  # a part of the next request
            and conn.has_next_head(LINGER)
        ):
            is_kept = self.handle(conn)
        return is_kept

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        super().wait_for_and_dispatch_events(timeout)
        self._refuse_overdue()

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        self._publish_connections()
        if not self.alive:
            self._close_port()

    def run(self) -> None:
        super().run()
        self._reserve.shutdown(wait=False)

    def _refuse_overdue(self) -> None:
        """Give requests that have waited for too long to the reserve threads, which refuse them."""
        now = time.monotonic()
        while self._queue:
            deadline, future, conn = self._queue[0]
            if not (future.running() or future.done() or deadline <= now):
                return
            self._queue.popleft()
            if future.cancel():
                self._n_given -= 1
                self._give_to_reserve(conn)

    def _give_to_reserve(self, conn: Any) -> None:
        if self._n_reserved >= RESERVE_WAITING:
            self.nr_conns -= 1
            conn.close()
            return
        self._n_reserved += 1
        future = self._reserve.submit(self.handle, conn)
        future.add_done_callback(lambda done: self._when_done(conn, done, 0, 1))

    def _when_done(self, conn: Any, future: Future[Any], given: int, reserved: int) -> None:
        """Schedule the end of a request in the main loop; called from any thread."""
        if not future.cancelled():
            self.method_queue.defer(self._finish, conn, future, given, reserved)

    def _finish(self, conn: Any, future: Future[Any], given: int, reserved: int) -> None:
        self._n_given -= given
        self._n_reserved -= reserved
        self.finish_request(conn, future)

    def _close_port(self) -> None:
        """Accept the pending connections, then close the listening sockets."""
        for listener in self.sockets:
            if listener.fileno() < 0:
                continue
            listener.setblocking(False)
            before = -1
            while before != self.nr_conns:
                before = self.nr_conns
                self.accept(listener)
            listener.close()


def _is_probe(conn: TimedConnection) -> bool:
    """Return whether the request is a health check or a scrape of the metrics."""
    return conn.head.startswith(_PROBES)
