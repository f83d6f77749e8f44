"""Ending the work of a request whose client has closed the connection."""

import select
from collections.abc import Iterable, Iterator
from typing import TypeVar

from django.http import HttpRequest

from tuner_project.errors import DomainError

_EVERY = 100  # items between two looks at the connection
# Set if the client will send no more; where it does not exist, only a reset is noticed.
_CLOSED = getattr(select, "POLLRDHUP", 0)

T = TypeVar("T")


class ClientDisconnected(DomainError):
    """The client closed the connection before it had the answer; nothing was stored."""

    code = "client_disconnected"


def while_connected(request: HttpRequest, items: Iterable[T]) -> Iterator[T]:
    """Yield the items as long as the client of the request is connected.

    Raises:
        ClientDisconnected: it has closed the connection, or its sending half.
    """
    for position, item in enumerate(items):
        if position % _EVERY == 0 and not _is_connected(request):
            raise ClientDisconnected("the client has closed the connection")
        yield item


def _is_connected(request: HttpRequest) -> bool:
    connection = request.META.get("gunicorn.socket")
    if connection is None:  # another server, which does not tell
        return True
    poller = select.poll()
    poller.register(connection, _CLOSED)
    return not poller.poll(0)
