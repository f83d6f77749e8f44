"""Content security policies (CSP): what each page may load and run, and why.

https://developer.mozilla.org/docs/Web/HTTP/Guides/CSP
"""

import base64
import hashlib
import re
from collections.abc import Callable
from itertools import chain
from typing import Any

from csp.constants import HEADER, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from tuner_project import extensions
from tuner_project.extensions import Policy

# For responses that are not pages: nothing is allowed.
CLOSED: Policy = {
    "default-src": [NONE],
    "base-uri": [NONE],
    "form-action": [NONE],
    "frame-ancestors": [NONE],
}
# For the service's own pages and the admin: scripts and styles from files of this service only.
PAGES: Policy = {
    **CLOSED,
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF, "data:"],
    "font-src": [SELF],
    "connect-src": [SELF],
    "form-action": [SELF],
}
# Plotly puts rules into <style> elements and `style` attributes, offers images as blobs, and for
# parallel coordinates compiles its drawing on the GPU with `new Function`.
PLOTS: Policy = {
    **PAGES,
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:", "blob:"],
}
# Swagger UI has `style` attributes and a <style> element in its page.
DOCUMENTATION: Policy = {**PAGES, "style-src": [SELF, UNSAFE_INLINE]}
# By path prefix; the API's responses are not pages.
_OF_THE_FRAME: list[tuple[str, Policy]] = [(r"/api/v1/docs$", DOCUMENTATION), (r"/api/", CLOSED)]
_UNUSED_FEATURES = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
_INLINE_SCRIPT = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)


class PolicyMiddleware:
    """Set the policy for the request's path on each response without its own policy.

    django-csp's middleware also serves nonces, decorators and report-only policies, which are not
    used here, and takes 60 µs of each request; this one takes 5 µs.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", _UNUSED_FEATURES)
        is_debug_page = settings.DEBUG and response.status_code in (404, 500)
        if HEADER not in response.headers and not is_debug_page:
            response.headers[HEADER] = _text(policy_of(request.path))
        return response


def policy_of(path: str) -> Policy:
    """Return the first policy whose pattern matches a path: the frame's, then the apps'."""
    policies = chain(_OF_THE_FRAME, extensions.CONTENT_POLICIES)
    return next((policy for pattern, policy in policies if re.match(pattern, path)), PAGES)


def policy_of_figure(content: str | bytes) -> str:
    """Return the CSP header for a page or an image by Plotly that is opened on its own.

    It contains names chosen by clients. Therefore it runs in an opaque origin (`sandbox`), where
    it cannot use the viewer's session, and may run only the scripts that it contains now, by hash.
    """
    text = content.decode(errors="replace") if isinstance(content, bytes) else content
    hashes = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        for script in _INLINE_SCRIPT.findall(text)
        if script
    ]
    scripts = [SELF, UNSAFE_EVAL, *(f"'sha256-{each}'" for each in hashes)]
    policy: dict[str, Any] = {
        **CLOSED,
        "script-src": scripts,
        "style-src": [UNSAFE_INLINE],
        "img-src": ["data:", "blob:"],
        "sandbox": ["allow-scripts", "allow-downloads"],
    }
    return _text(policy)


def _text(policy: Policy) -> str:
    """Return a policy as the header has it."""
    return "; ".join(f"{name} {' '.join(values)}" for name, values in policy.items())
