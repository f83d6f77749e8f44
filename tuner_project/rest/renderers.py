"""The renderer of answers."""

from typing import Any

from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder

_encoder = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class CompactJSONRenderer(JSONRenderer):
    """Render the same bytes as DRF, by one encoder; no client can ask for an indentation."""

    def render(
        self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None
    ) -> bytes:
        if data is None:
            return b""
        text = _encoder.encode(data)
        # They end lines in JavaScript, which JSON was meant to be a part of.
        return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()
