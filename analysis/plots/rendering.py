"""Rendering of figures as JSON, HTML and images."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.http import HttpRequest
from django.templatetags.static import static

from analysis.errors import EvaluatorsBusy, ImageUnavailable
from tuner_project.db.database import release_connection

if TYPE_CHECKING:
    import plotly.graph_objects as go

WIDTH, HEIGHT = 1000, 600  # pixels of an image
MAX_WAIT = 10  # seconds for another image to be drawn

_browsing = threading.Lock()  # one image at a time, because each starts a browser


@dataclass(frozen=True)
class Format:
    """A media type, and the function that renders a figure in it."""

    media_type: str
    render: Callable[["go.Figure"], str | bytes]
    is_document: bool = False  # whether a browser may run scripts in it


def _html(figure: "go.Figure") -> str:
    """Render a page that loads Plotly's script from this service."""
    page: str = figure.to_html(include_plotlyjs=static("plotly/plotly.min.js"))
    return page


def _image(kind: str) -> Callable[["go.Figure"], bytes]:
    def render(figure: "go.Figure") -> bytes:
        release_connection()  # the browser takes seconds
        if not _browsing.acquire(timeout=MAX_WAIT):
            raise EvaluatorsBusy("other images are being drawn: try again in a moment")
        try:
            image: bytes = figure.to_image(format=kind, width=WIDTH, height=HEIGHT)
        except RuntimeError as error:  # no browser is found, or it does not start
            reason = " ".join(str(error).split())
            raise ImageUnavailable(
                f"{kind.upper()} is drawn by Chrome or Chromium on the service's machine, "
                f"which failed: {reason:.200}; JSON and HTML do not need it"
            ) from error
        finally:
            _browsing.release()
        return image

    return render


FORMATS: Mapping[str, Format] = {
    "json": Format("application/json", lambda figure: str(figure.to_json())),
    "html": Format("text/html", _html, is_document=True),
    "png": Format("image/png", _image("png")),
    "svg": Format("image/svg+xml", _image("svg"), is_document=True),
}


def accepted_format(request: HttpRequest) -> str:
    """Return the format that the request's Accept header prefers, by default JSON."""
    names = {each.media_type: name for name, each in FORMATS.items()}
    return names.get(request.get_preferred_type(list(names)) or "", "json")
