"""Content security policies: what each page may load and run, and why.

https://developer.mozilla.org/docs/Web/HTTP/Guides/CSP
"""

import base64
import hashlib
import re
from itertools import chain
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponseBase

from tuner_project import extensions
from tuner_project.extensions import Policy

# For answers that are no pages: nothing.
CLOSED: Policy = {
    "default-src": [NONE],
    "base-uri": [NONE],
    "form-action": [NONE],
    "frame-ancestors": [NONE],
}
# Our own pages and the admin's: scripts and styles from files of this service only.
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
# By what the path begins with; the API's answers are no pages at all.
_OF_THE_FRAME: list[tuple[str, Policy]] = [(r"/api/v1/docs$", DOCUMENTATION), (r"/api/", CLOSED)]
_UNUSED_FEATURES = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
_INLINE_SCRIPT = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)


class PolicyMiddleware(CSPMiddleware):
    """Sets the policy of the request's path on each answer that has none of its own."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        response.headers.setdefault("Permissions-Policy", _UNUSED_FEATURES)
        return super().process_response(request, response)

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if parts.config is None and not report_only:
            parts.config = dict(policy_of(request.path))
        return parts


def policy_of(path: str) -> Policy:
    """The policy of a path: the first that fits, of the frame's and of those that apps register."""
    policies = chain(_OF_THE_FRAME, extensions.CONTENT_POLICIES)
    return next((policy for pattern, policy in policies if re.match(pattern, path)), PAGES)


def policy_of_figure(content: str | bytes) -> str:
    """The header for a page or an image that Plotly made, opened by itself.

    It holds names that clients chose. So it runs in an origin of its own (`sandbox`), where it
    cannot use the viewer's login, and only the scripts that are in it now may run.
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
    return "; ".join(f"{name} {' '.join(values)}" for name, values in policy.items())
