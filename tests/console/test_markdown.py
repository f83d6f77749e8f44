"""Markdown from clients as HTML."""

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.markdown import rendered
from studies.domain.tags import MAX_NOTE

ALLOWED = {
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "em", "strong", "s", "a", "br"),
    *("hr", "code", "pre", "blockquote", "table", "thead", "tbody", "tr", "th", "td"),
}
REL = 'rel="noopener noreferrer nofollow"'


class Tags(HTMLParser):
    """Collects the elements of a document with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_markdown_becomes_html() -> None:
    html = rendered("# A\n\n*b* **c** ~~d~~ `e`\n\n- f\n\n| g |\n|---|\n| h |\n")
    for part in ("<h1>A</h1>", "<em>b</em>", "<strong>c</strong>", "<s>d</s>", "<code>e</code>"):
        assert part in html
    assert "<li>f</li>" in html
    assert "<td>h</td>" in html


def test_html_is_shown_as_text() -> None:
    html = rendered("<script>alert(1)</script>\n\n<img src=x onerror=alert(1)> a<b>c</b>")
    assert {tag for tag, _ in Tags(html).found} == {"p"}
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java&#x0A;script:alert(1)", "vbscript:x",
        "data:text/html,x", "data:image/png;base64,AA", "file:///etc/passwd", "//evil.example",
        "/admin/logout/", "&#106;avascript:alert(1)", " javascript:alert(1)", "\x01javascript:x",
    ],
)  # fmt: skip
def test_links_lead_to_web_pages_only(url: str) -> None:
    for text in (f"[a]({url})", f"[a](<{url}>)", f"[a]: {url}\n\n[a]", f"<{url}>", f"![a]({url})"):
        hrefs = [attrs.get("href") for tag, attrs in Tags(rendered(text)).found if tag == "a"]
        assert all(href in ("", None) for href in hrefs), text


def test_links_tell_nothing_of_the_page() -> None:
    assert rendered('[a](https://example.org/?a=1&b=2 "t")') == (
        f'<p><a href="https://example.org/?a=1&amp;b=2" title="t" {REL}>a</a></p>\n'
    )
    assert REL in rendered("<https://example.org>")


def test_images_become_links() -> None:
    html = rendered('![a "b" <i>](https://example.org/x.png)')
    assert html == (
        f'<p><a href="https://example.org/x.png" {REL}>a &quot;b&quot; &lt;i&gt;</a></p>\n'
    )


@given(st.text("<>\"'&;:/()[]!*_`~#|-\n javscriptonerdhf=x1", max_size=60))
def test_only_harmless_elements_appear(text: str) -> None:
    for tag, attrs in Tags(rendered(text)).found:
        assert tag in ALLOWED
        assert attrs.keys() <= {"href", "title", "rel", "start", "class", "style"}
        assert (attrs.get("href") or "https://").startswith(("http://", "https://", "mailto:"))


@pytest.mark.parametrize(
    "pattern",
    ["[", "![", "*a ", "**a*", "`", "> ", "- ", "| a ", "<", "[a](", "~~", "&", "\\", "_a__", "](",
     "[a]: b\n", "|-", "a\n", "<a ", "![[]()"],
)  # fmt: skip
def test_long_notes_take_less_than_a_second(pattern: str) -> None:
    text = (pattern * MAX_NOTE)[:MAX_NOTE]
    start = time.process_time()
    html = rendered(text)
    assert time.process_time() - start < 1
    assert len(html) < 50 * MAX_NOTE
