"""The dashboard's WSGI application, called inside a read-only transaction."""

import re
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from io import BytesIO
from typing import Any, Protocol, runtime_checkable

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static

from console.dashboard.limits import MAX_NUMBERS, StudySize
from trials.projection.consistency import snapshot


@runtime_checkable
class Closable(Protocol):
    """A WSGI response that has to be closed."""

    def close(self) -> object: ...


WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Parameters and intermediate values cached in one process; each takes 40 to 400 bytes.
MAX_CACHED_NUMBERS = 2 * MAX_NUMBERS

# Headers of conditional and range requests.
_CONDITIONAL = ("HTTP_IF_", "HTTP_RANGE")
# Response headers that describe the file on disk, or that the server sets.
_DROPPED = ("accept-ranges", "content-length", "date", "etag", "last-modified")
_SCRIPT = re.compile(rb'(?<=<script defer src=")/static/bundle\.js(?=")')


class ApplicationCache:
    """The application, created on first use, and again after it has cached too much.

    It caches the trials of each study that it has shown: in two caches of its own, and in the
    storage's cache of finished trials. None of them ever drops a study.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        self._application: WSGIApplication | None = None
        self._cached_numbers: dict[int, int] = {}

    def get(self, study: StudySize | None = None) -> WSGIApplication:
        """Return the application, creating it if needed.

        Args:
            study: The size of the study that it is about to show, if any.
        """
        with self._lock:
            if study is not None:
                self._cached_numbers[study.study_id] = study.n_numbers
            if sum(self._cached_numbers.values()) > MAX_CACHED_NUMBERS:
                self.clear()
                if study is not None:
                    self._cached_numbers[study.study_id] = study.n_numbers
            if self._application is None:
                self._application = _create_application()
            return self._application


applications = ApplicationCache()


def _create_application() -> WSGIApplication:
    # These imports take 2 s and 130 MB: only a process that serves the dashboard needs them.
    from optuna.storages import get_storage
    from optuna_dashboard import wsgi

    from optuna_bridge.storage.storage import DjangoStorage

    application: WSGIApplication = wsgi(get_storage(DjangoStorage()))
    return application


def call_application(application: WSGIApplication, request: HttpRequest) -> HttpResponse:
    """Return the application's response to a GET of the path; a write fails in the database."""
    environ = {
        key: value for key, value in request.META.items() if not key.startswith(_CONDITIONAL)
    }
    environ |= {"REQUEST_METHOD": "GET", "wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"}
    response = HttpResponse()

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        response.status_code = int(status.split()[0])
        for name, value in headers:
            if name.lower() not in _DROPPED:
                response[name] = value

    with snapshot(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")  # works inside another transaction, too
        chunks = application(environ, start_response)
        response.content = b"".join(chunks)
        if isinstance(chunks, Closable):
            chunks.close()
    return response


def dashboard_page(request: HttpRequest) -> HttpResponse:
    """Return the dashboard's single page, whose script handles all paths under /dashboard."""
    response = call_application(applications.get(), request)
    if response.status_code == HTTPStatus.OK:
        response.content = replace_script_url(response.content)
    return response


def replace_script_url(html: bytes) -> bytes:
    """Make the page load its script from Django's static files.

    Raises:
        RuntimeError: The page loads something else.
    """
    script = static("optuna_dashboard/bundle.js").encode()
    changed, replaced = _SCRIPT.subn(script, html)
    if replaced != 1 or html.count(b"/static/") != 1:
        raise RuntimeError(
            "the page of this optuna_dashboard does not load /static/bundle.js and nothing else "
            "from /static/: see what it needs of the package's folder `public`"
        )
    return changed
