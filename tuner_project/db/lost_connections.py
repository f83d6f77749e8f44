"""Work that can be done again, because its connection was lost before anything was stored."""

from typing import Any

from django.db import connections


class LostConnectionWatch:
    """Observes from its creation on whether this thread loses its database connection."""

    def __init__(self) -> None:
        connection: Any = connections["default"]
        self._connection = connection
        self._n_commits = connection.n_commits
        self._n_lost = connection.n_lost

    def has_lost_nothing_stored(self) -> bool:
        """Return whether a connection was lost, and nothing was committed since the creation.

        The lost connection is then closed, so that the next statement takes another one.
        """
        connection = self._connection
        if connection.in_atomic_block or connection.n_commits != self._n_commits:
            return False
        if connection.connection is not None and connection.connection.closed:
            connection.close()
        return bool(connection.n_lost > self._n_lost)
