"""A relay in front of PostgreSQL: it counts the client's waits, and lengthens them.

A turn is one wait of the client for the database; `bench.turn_counter` defines it. A round trip of
1 ms makes a statement 1.2 ms longer, one of 2 ms 2.3 ms, one of none 0.1 ms (medians, on 2 cores,
where a statement takes 0.04 ms). A turn takes 0.1 to 0.2 ms of CPU time of the relay's own process.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

ROUND_TRIP = 0.001  # seconds
_ROOT = Path(__file__).parents[1]


class Relay:
    """A running relay, at `port` of 127.0.0.1. It refuses encryption, which hides messages."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._lock = threading.Lock()
        self.port = int(self._line())

    def url(self, url: str) -> str:
        """Return the URL of a database through the relay."""
        parts = conninfo_to_dict(url, sslmode="disable")
        database = quote(str(parts["dbname"]))
        replaced = {"dbname", "host", "port"}
        query = {name: str(value) for name, value in parts.items() if name not in replaced}
        options = urlencode(query, quote_via=quote)
        return f"postgresql://127.0.0.1:{self.port}/{database}?{options}"

    def turns(self) -> int:
        """The turns of all connections since the last reset, also of those that have ended."""
        return sum(self._ask("turns"))

    def turns_by_connection(self) -> list[int]:
        """The turns of each open connection since the last reset, in the order of their start."""
        return self._ask("turns")[1:]

    def reset(self) -> None:
        """Count from zero again."""
        self._ask("reset")

    def cut(self, *, abruptly: bool = True) -> None:
        """End all connections: by a reset, or in order. New ones are accepted."""
        self._ask("cut" if abruptly else "close")

    def _ask(self, command: str) -> list[int]:
        with self._lock:
            assert self._process.stdin is not None  # noqa: S101
            self._process.stdin.write(f"{command}\n")
            self._process.stdin.flush()
            counts: list[int] = json.loads(self._line())
            return counts

    def _line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the relay has ended: its error is above")
        return line


def target_of(url: str) -> tuple[str, int]:
    """Return the host, or the folder of the Unix socket, and the port of a database's URL."""
    parts = conninfo_to_dict(url)
    return str(parts.get("host") or "127.0.0.1"), int(parts.get("port") or 5432)


@contextmanager
def relay(host: str, port: int, *, round_trip: float = ROUND_TRIP) -> Iterator[Relay]:
    """Run a relay in front of PostgreSQL.

    Args:
        host: Of PostgreSQL, or the folder of its Unix socket.
        port: Of PostgreSQL, also for a Unix socket.
        round_trip: Seconds, of which each direction is delayed by half.
    """
    command = [sys.executable, "-m", "bench.relay_process", host, str(port), str(round_trip / 2)]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Relay(process)
        finally:
            assert process.stdin is not None  # noqa: S101
            process.stdin.close()
