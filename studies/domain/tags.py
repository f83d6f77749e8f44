"""Tags: words by which people find studies."""

import unicodedata
from collections.abc import Iterable

MAX_TAGS = 20
MAX_TAG = 50  # characters
MAX_NOTE = 10_000
_UNPRINTABLE = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


def normalized_tag(text: str) -> str:
    """Return a tag in the form in which it is stored and searched for.

    Equal-looking tags are equal: in lower case, composed (NFC), with single blanks.

    Raises:
        ValueError: It is empty, too long, or has a comma or a character that cannot be seen.
    """
    tag = " ".join(unicodedata.normalize("NFC", text).lower().split())
    if not 1 <= len(tag) <= MAX_TAG:
        raise ValueError(f"expected a tag of 1 to {MAX_TAG} characters, not {text!r:.80}")
    if "," in tag or any(unicodedata.category(each) in _UNPRINTABLE for each in tag):
        raise ValueError(f"a tag has neither commas nor invisible characters: {text!r:.80}")
    return tag


def normalized_tags(texts: Iterable[str]) -> list[str]:
    """Return tags in their stored form, sorted, each once; raises `ValueError`."""
    tags = sorted({normalized_tag(text) for text in texts})
    if len(tags) > MAX_TAGS:
        raise ValueError(f"expected at most {MAX_TAGS} tags, not {len(tags)}")
    return tags
