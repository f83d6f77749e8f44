"""Links from a trial to what is stored elsewhere, such as a run of an experiment tracker."""

from urllib.parse import urlsplit

MAX_LINKS = 20
MAX_NAME = 64  # characters
MAX_URL = 2000

_SCHEMES = ("http", "https")
_NOT_IN_URLS = frozenset(' "<>\\^`{|}')  # RFC 3986; browsers read some of them as others


def link_fault(name: str, url: str) -> str | None:
    """Return what is wrong with a link, or None.

    Pages show it as a link: a URL that runs a script, hides its host behind a user's name, or is
    read differently by browsers, is refused. Hosts need no domain, as in `http://mlflow:5000`.
    """
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or not name.strip():
        return f"a link's name has 1 to {MAX_NAME} printable characters"
    if len(url) > MAX_URL:
        return f"a URL has at most {MAX_URL:,} characters"
    try:
        parts = urlsplit(url)
        is_valid = bool(parts.scheme in _SCHEMES and parts.hostname and parts.port != 0)
    except ValueError:  # such as an unclosed [, or a port that is not a number
        is_valid = False
    if not is_valid or not url.isprintable() or not _NOT_IN_URLS.isdisjoint(url):
        return f"expected a URL such as https://example.org/runs/1, not {url!r:.80}"
    if "@" in parts.netloc:
        return "a URL must not contain a user's name or password"
    return None
