"""The turns of a connection to PostgreSQL, counted from the messages that pass.

A turn is one wait of the client for the database: the first message that the client sends after it
has received all that it had asked for, and everything until it has received that again. What it
asks for are the answers to the messages before a Sync, a Query or a Flush, which make the server
send them. So a statement is one turn, and so is a pipeline of any length; a statement that is sent
when the result of another one has arrived is a turn more, within a pipeline, too (by a Flush).

A client that sends without having waited, but later than the answer arrived, counts as if it had
waited. The messages that start a connection are not counted.
"""

from collections import deque
from collections.abc import Iterator

_HEADER = 5  # a type, and the length of what follows with its own four bytes

# Frontend messages, and the backend messages of which one ends the answer.
_ANSWERS = {
    b"P": b"1",  # Parse
    b"B": b"2",  # Bind
    b"C": b"3",  # Close
    b"D": b"nT",  # Describe: NoData or RowDescription
    b"E": b"CIs",  # Execute: CommandComplete, EmptyQueryResponse or PortalSuspended
    b"Q": b"Z",  # Query: ReadyForQuery
    b"F": b"Z",  # FunctionCall
    b"S": b"Z",  # Sync
}
_EXTENDED = b"PBCDE"
_WAITS = b"QFSHcf"  # also Flush, CopyDone and CopyFail: the server sends what it owes
_TERMINATE, _SYNC, _FLUSH = b"X", b"S", b"H"
_ERROR, _READY, _COPY_IN = b"E", b"Z", b"G"


class MessageTypes:
    """Splits a stream into messages, however it is cut into chunks."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._body = 0  # bytes of the message that are still to come

    def of(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the types of the messages that end in the chunk."""
        at = 0
        while at < len(chunk):
            if self._body == 0:
                more = chunk[at : at + _HEADER - len(self._header)]
                self._header += more
                at += len(more)
                if len(self._header) < _HEADER:
                    return
                self._body = int.from_bytes(self._header[1:]) - 4
            taken = min(self._body, len(chunk) - at)
            self._body -= taken
            at += taken
            if self._body == 0:
                yield bytes(self._header[:1])
                self._header.clear()


class TurnCounter:
    """Counts the turns of one connection, by the types of its messages."""

    def __init__(self) -> None:
        self.turns = 0
        self._is_started = False
        self._is_in_turn = False
        self._owed: deque[bytes] = deque()  # messages that the server has yet to answer
        self._awaited = 0  # how many of them the client waits for
        self._skips = False  # after an error the server ignores everything before a Sync

    def sent(self, kind: bytes) -> None:
        """Count a message that the client has sent."""
        if not self._is_started or kind == _TERMINATE or self._is_idle_flush(kind):
            return
        if not self._is_in_turn:
            self.turns += 1
            self._is_in_turn = True
        if self._skips and kind != _SYNC:
            return
        if kind in _ANSWERS:
            self._owed.append(kind)
        if kind in _WAITS:
            self._awaited = len(self._owed)

    def received(self, kind: bytes) -> None:
        """Count a message that has been sent on to the client."""
        if not self._is_started:
            self._is_started = kind == _READY
        elif kind == _COPY_IN:
            self._let_copy()
        elif answered := self._answered(kind):
            for _ in range(answered):
                self._owed.popleft()
            if self._awaited > 0:
                self._awaited = max(0, self._awaited - answered)
                self._is_in_turn = self._awaited > 0

    def _is_idle_flush(self, kind: bytes) -> bool:
        """Return whether this is a Flush that has no answer; psycopg ends pipelines with one."""
        return kind == _FLUSH and not self._owed

    def _answered(self, kind: bytes) -> int:
        """Return how many of the oldest messages are answered by this one."""
        if not self._owed:
            return 0
        if kind == _ERROR and self._owed[0] in _EXTENDED:
            self._skips = _SYNC not in self._owed
            return len(self._owed) if self._skips else self._owed.index(_SYNC)
        if kind == _READY:
            self._skips = False
        return int(kind in _ANSWERS[self._owed[0]])

    def _let_copy(self) -> None:
        """The client may send its rows: the server ignores the Sync before them."""
        self._owed = deque(kind for kind in self._owed if kind != _SYNC)
        self._awaited = 0
        self._is_in_turn = False
