"""The dashboard's WSGI application, run within a transaction that only reads."""

import re
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from io import BytesIO
from typing import Any, Protocol, runtime_checkable

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static

from console.dashboard.limits import MAX_NUMBERS, Size
from trials.projection.consistency import snapshot


@runtime_checkable
class Closable(Protocol):
    def close(self) -> object: ...


WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Parameters and intermediate values that one process keeps: some 40 bytes to 400 each.
MAX_REMEMBERED = 2 * MAX_NUMBERS

# Of the request, what asks for a part of the answer or for none.
_CONDITIONS = ("HTTP_IF_", "HTTP_RANGE")
# Of the answer, what is true of the file that it was read from only, or the server's to say.
_DROPPED = ("accept-ranges", "content-length", "date", "etag", "last-modified")
_SCRIPT = re.compile(rb'(?<=<script defer src=")/static/bundle\.js(?=")')


class Applications:
    """The application, made at its first use, and anew once it remembers too much.

    It keeps the trials of every study that it has shown: two caches of its own, and below them
    the storage's, which reads no finished trial twice. None ever forgets a study.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        self._application: WSGIApplication | None = None
        self._remembered: dict[int, int] = {}

    def get(self, shown: Size | None = None) -> WSGIApplication:
        """The application, which is about to show a study of this size."""
        with self._lock:
            if shown is not None:
                self._remembered[shown.study_id] = shown.n_numbers
            if sum(self._remembered.values()) > MAX_REMEMBERED:
                self.clear()
                if shown is not None:
                    self._remembered[shown.study_id] = shown.n_numbers
            if self._application is None:
                self._application = _new_application()
            return self._application


applications = Applications()


def _new_application() -> WSGIApplication:
    # These take two seconds and 130 MB, which only those spend who look at the dashboard.
    from optuna.storages import get_storage
    from optuna_dashboard import wsgi

    from optuna_bridge.storage.storage import DjangoStorage

    application: WSGIApplication = wsgi(get_storage(DjangoStorage()))
    return application


def answer(application: WSGIApplication, request: HttpRequest) -> HttpResponse:
    """What the application answers to a GET of this path; a write fails in the database."""
    environ = {key: value for key, value in request.META.items() if not key.startswith(_CONDITIONS)}
    environ |= {"REQUEST_METHOD": "GET", "wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"}
    response = HttpResponse()

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        response.status_code = int(status.split()[0])
        for name, value in headers:
            if name.lower() not in _DROPPED:
                response[name] = value

    with snapshot(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")  # within another transaction, too
        chunks = application(environ, start_response)
        response.content = b"".join(chunks)
        if isinstance(chunks, Closable):
            chunks.close()
    return response


def page(request: HttpRequest) -> HttpResponse:
    """The one page, whose script draws all that lies under /dashboard."""
    response = answer(applications.get(), request)
    if response.status_code == HTTPStatus.OK:
        response.content = with_our_script(response.content)
    return response


def with_our_script(html: bytes) -> bytes:
    """The page as it loads the script from where Django serves it.

    Raises:
        RuntimeError: it loads something else.
    """
    script = static("optuna_dashboard/bundle.js").encode()
    changed, replaced = _SCRIPT.subn(script, html)
    if replaced != 1 or html.count(b"/static/") != 1:
        raise RuntimeError(
            "the page of this optuna_dashboard does not load /static/bundle.js and nothing else "
            "from /static/: see what it needs of the package's folder `public`"
        )
    return changed
