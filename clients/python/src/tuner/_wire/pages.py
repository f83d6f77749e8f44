"""The next page of a list."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

from tuner._wire.library import httpx
from tuner._wire.requests import Request


def next_page(request: Request, answer: httpx.Response) -> Request | None:
    """Return the request for the page behind an answer; None behind the last one.

    Only the query of the `Link` is taken: behind a proxy its host may be another one.
    """
    link = answer.links.get("next")
    if link is None:
        return None
    return replace(request, query=dict(parse_qsl(urlsplit(link["url"]).query)))
