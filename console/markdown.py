"""Markdown from clients as HTML that is safe in the admin."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

_LINKS = ("http://", "https://", "mailto:")


def rendered(text: str) -> SafeString:
    """Render CommonMark with tables and strikethrough.

    HTML is shown as text, and an image as a link to it, since pages load nothing from elsewhere.
    Links lead to web pages and addresses only, and tell nothing of the page that they are on.
    """
    return mark_safe(_renderer().render(text))  # noqa: S308  (HTML in the text is escaped)


@cache
def _renderer() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": 20})
    markdown.enable(["table", "strikethrough"])
    markdown.validateLink = _is_allowed  # type: ignore[method-assign]
    markdown.add_render_rule("link_open", _link_open)
    markdown.add_render_rule("image", _image)
    return markdown


def _is_allowed(url: str) -> bool:
    return url.strip().lower().startswith(_LINKS)


def _link_open(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    return renderer.renderToken(tokens, index, options, env)


def _image(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    """Return a link to an image, with its text."""
    image = tokens[index]
    link = Token("link_open", "a", 1, attrs={"href": str(image.attrGet("src") or "")})
    text = Token("text", "", 0, content=image.content or "image")
    opened = _link_open(renderer, [link], 0, options, env)
    return f"{opened}{renderer.text([text], 0, options, env)}</a>"
