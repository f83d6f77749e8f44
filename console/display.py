"""How the admin shows numbers, attributes and states; every answer is bounded in length."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator

EMPTY = "-"
MAX_ATTRIBUTES = 1000  # as many as a search space can have parameters
MAX_CHOICES = 30
MAX_TEXT = 1000  # characters of one value
MAX_COMPACT = 160  # characters of a cell in a list


class InspectionAdmin(admin.ModelAdmin):
    """Pages to look at: nothing can be added or changed, so that Django takes all the fields of
    `fieldsets` for read-only ones.

    `lookups` are the keys of a list's query, whole or up to the first "__". Others are refused:
    they are costly, or fail in the database.
    """

    lookups: Sequence[str] = ()

    class Media:
        css = {"all": ["console/admin.css"]}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in self.lookups or lookup.split("__")[0] in self.lookups


def number(value: float) -> str:
    """Six digits of a number, which may be nan or inf."""
    return f"{value:.6g}"


def numbers(values: Iterable[float] | None) -> str:
    return EMPTY if values is None else ", ".join(map(number, values))


def shortened(text: str, length: int = MAX_TEXT) -> str:
    return Truncator(text).chars(length)


def as_json(value: Any) -> str:
    return shortened(json.dumps(value, ensure_ascii=False))


def compact(params: Mapping[str, Any]) -> SafeString:
    """Parameters in a line."""
    texts = (
        f"{name}={number(value) if isinstance(value, float) else shortened(str(value), 40)}"
        for name, value in params.items()
    )
    return format_html(
        '<span class="tuner-compact">{}</span>', shortened(", ".join(texts), MAX_COMPACT)
    )


def moment(value: datetime | None) -> SafeString | str:
    """To the second, in UTC."""
    if value is None:
        return EMPTY
    text = f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return format_html('<span class="tuner-moment">{}</span>', text)


def duration(seconds: float | None) -> str:
    if seconds is None:
        return EMPTY
    return f"{seconds:.3g} s" if abs(seconds) < 60 else str(timedelta(seconds=round(seconds)))


def state_badge(state: str, text: str | None = None, url: str | None = None) -> SafeString:
    tag = "span" if url is None else "a"
    href = "" if url is None else format_html(' href="{}"', url)
    return format_html(
        '<{tag}{href} class="tuner-state tuner-state-{kind}">{text}</{tag}>',
        tag=tag,
        href=href,
        kind=state.lower(),
        text=text or state.lower(),
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]], note: str = "") -> SafeString:
    """A table with a note below."""
    return format_html(
        '<table class="tuner-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>{}',
        format_html_join("", '<th scope="col">{}</th>', ((head,) for head in heads)),
        format_html_join(
            "",
            "<tr>{}</tr>",
            ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows),
        ),
        format_html('<p class="tuner-note">{}</p>', note) if note else mark_safe(""),
    )


def attributes(attrs: Mapping[str, Any] | None, heads: Sequence[str]) -> SafeString | str:
    """A table of names and values."""
    if not attrs:
        return EMPTY
    shown = list(attrs.items())[:MAX_ATTRIBUTES]
    note = "" if len(shown) == len(attrs) else f"The first {len(shown):,} of {len(attrs):,}."
    rows = ((shortened(name), as_json(value)) for name, value in shown)
    return table(heads, rows, note)


def parameters_table(parameters: Iterable[Mapping[str, Any]]) -> SafeString:
    """A search space."""
    return table(
        ["Name", "Type", "Range or choices", "Step", "Log"],
        (
            (each["name"], each["type"], _range(each), each.get("step") or "", _log(each))
            for each in parameters
        ),
    )


def _range(parameter: Mapping[str, Any]) -> str:
    if parameter["type"] != "categorical":
        return f"{parameter['low']} to {parameter['high']}"
    choices = parameter["choices"]
    more = f", … ({len(choices)} choices)" if len(choices) > MAX_CHOICES else ""
    return ", ".join(shortened(as_json(each), 60) for each in choices[:MAX_CHOICES]) + more


def _log(parameter: Mapping[str, Any]) -> str:
    return "log" if parameter.get("log") else ""
