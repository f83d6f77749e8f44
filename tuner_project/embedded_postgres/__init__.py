"""An embedded PostgreSQL server, for machines without a PostgreSQL installation.

Used if DATABASE_URL is unset. The server runs as long as a process uses it, listens on a Unix
socket only, and keeps its data in the data folder.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .place import Place, find_place
from .programs import EmbeddedPostgresError
from .server import Server

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]

logger = logging.getLogger(__name__)
WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class EmbeddedPostgres:
    """The embedded server of one data folder.

    `fallback` is true if `data_dir` is the default. A process of root then uses
    /var/lib/tuner-<hash> instead if the account that PostgreSQL runs as cannot enter the folder.
    """

    data_dir: Path
    fallback: bool = False

    @cached_property
    def _place(self) -> Place:
        return find_place(self.data_dir, fallback=self.fallback)

    @property
    def home(self) -> Path:
        """The folder that holds the data: the data folder, or its fallback in /var/lib."""
        return self._place.home

    def url(self) -> str:
        """Return the server's libpq URL, without starting the server or creating any file."""
        return Server(self._place).url()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Use the server during the block: the first process starts it, the last one stops it.

        The first use creates the cluster and the database. A server that is killed during the
        block is started again on the same data. Blocks may be nested, and used by many threads and
        processes at once. A child forked inside the block may exit without stopping the server.

        Raises:
            EmbeddedPostgresError: The server cannot be used; the message says what to do.
        """
        stay = _stays.setdefault(self._place, _Stay(self._place))
        stay.enter()
        try:
            yield
        finally:
            stay.leave()


class _Stay:
    """This process's use of a server: one lock and one watch thread for all nested blocks."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._server = Server(place)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._calls = 0
        self._users = -1
        self._watch: _Watch | None = None

    def enter(self) -> None:
        with self._lock:
            if self._calls == 0:
                self._join()
            self._calls += 1

    def leave(self) -> None:
        if os.getpid() != self._pid:
            return  # a forked child leaves its parent's block: the parent still uses the server
        with self._lock:
            self._calls -= 1
            if self._calls == 0:
                self._part()

    def _join(self) -> None:
        try:
            self._users = self._server.join()
        except OSError as error:
            raise EmbeddedPostgresError(
                f"cannot keep a database in {self._place.home}: {error}; "
                "set TUNER_DATA_DIR to another folder, or DATABASE_URL"
            ) from error
        self._watch = _Watch(self._server)
        self._watch.start()

    def _part(self) -> None:
        assert self._watch  # noqa: S101
        self._watch.stop()
        self._server.leave(self._users)


# A forked child does not count as a user until it calls running() itself.
_stays: dict[Place, _Stay] = {}
os.register_at_fork(after_in_child=_stays.clear)


class _Watch(threading.Thread):
    """Thread that restarts the server if it has died."""

    def __init__(self, server: Server) -> None:
        super().__init__(name="embedded-postgres", daemon=True)
        self._server = server
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(WATCH_SECONDS):
            try:
                if self._server.is_down():
                    logger.warning("PostgreSQL in %s died: starting it", self._server.place.home)
                    self._server.revive()
            except (EmbeddedPostgresError, OSError) as error:
                logger.error("PostgreSQL in %s: %s", self._server.place.home, error)

    def stop(self) -> None:
        self._stopped.set()
        self.join()
