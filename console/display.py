"""Formatting of numbers, times, attributes and states in the admin, with bounded lengths."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator

from optuna_bridge.space.search_space import listed_values
from optuna_bridge.space.when import shown

EMPTY = "-"
MAX_ATTRIBUTES = 1000  # as many as a search space can have parameters
MAX_CHOICES = 30
MAX_TEXT = 1000  # characters of one value
MAX_PARAMS_LINE = 160  # characters of a cell in a list

# Text -----------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Format a number with six significant digits; it may be nan or inf."""
    return f"{value:.6g}"


def numbers(values: Iterable[float] | None) -> str:
    """Format numbers in one line, each with six significant digits."""
    return EMPTY if values is None else ", ".join(map(number, values))


def param_value(value: Any, length: int) -> str:
    """Format the value of a parameter, truncating a choice to `length` characters."""
    if value is None:  # a choice
        return "null"
    return number(value) if isinstance(value, float) else truncated(str(value), length)


def truncated(text: str, length: int = MAX_TEXT) -> str:
    """Truncate a text to `length` characters with an ellipsis."""
    return Truncator(text).chars(length)


def as_json(value: Any) -> str:
    """Format a value as JSON, truncated to `MAX_TEXT` characters."""
    return truncated(json.dumps(value, ensure_ascii=False))


def duration(seconds: float | None) -> str:
    """Format a duration in seconds below a minute, and in hours, minutes and seconds above."""
    if seconds is None:
        return EMPTY
    if abs(seconds) < 60:
        return f"{seconds:.3g}\N{NO-BREAK SPACE}s"
    return str(timedelta(seconds=round(seconds)))


def first_of(n_shown: int, n_total: int | None = None) -> str:
    """Return a note that only the first items of a list are shown.

    Args:
        n_shown: The number of shown items.
        n_total: The number of all items; None if it is only known that there are more.
    """
    if n_total is None:
        return f"first {n_shown:,}; there are more"
    return f"first {n_shown:,} of {n_total:,}"


# HTML -----------------------------------------------------------------------------------------


def timestamp(value: datetime | None) -> SafeString | str:
    """Format a time in UTC, to the second."""
    if value is None:
        return EMPTY
    text = f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return format_html('<span class="tuner-timestamp">{}</span>', text)


def params_line(params: Mapping[str, Any]) -> SafeString:
    """Format parameters and their values in one line, for a cell of a list."""
    texts = (f"{name}={param_value(value, 40)}" for name, value in params.items())
    line = truncated(", ".join(texts), MAX_PARAMS_LINE)
    return format_html('<span class="tuner-compact">{}</span>', line)


def state_badge(state: str, text: str | None = None, url: str | None = None) -> SafeString:
    """Return a coloured badge for a state.

    Args:
        state: The state, which determines the colour.
        text: The text of the badge; None means the state.
        url: The target of the badge's link, if any.
    """
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
    """Return a table with an optional note below it."""
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


def attributes_table(attrs: Mapping[str, Any] | None, heads: Sequence[str]) -> SafeString | str:
    """Return a table of names and values, with at most `MAX_ATTRIBUTES` rows."""
    if not attrs:
        return EMPTY
    shown = list(attrs.items())[:MAX_ATTRIBUTES]
    is_cut = len(shown) < len(attrs)
    note = f"The {first_of(len(shown), len(attrs))}." if is_cut else ""
    rows = ((truncated(name), as_json(value)) for name, value in shown)
    return table(heads, rows, note)


def search_space_table(parameters: Iterable[Mapping[str, Any]]) -> SafeString:
    """Return a table of the parameters of a search space, with their conditions if there are."""
    listed = list(parameters)
    has_conditions = any("when" in each for each in listed)
    return table(
        ["Name", "Type", "Range or choices", "Step", "Log", *(["When"] if has_conditions else [])],
        (
            (
                *(each["name"], each["type"], _range(each), each.get("step") or "", _log(each)),
                *([_when(each)] if has_conditions else []),
            )
            for each in listed
        ),
    )


def _range(parameter: Mapping[str, Any]) -> str:
    choices = listed_values(parameter)
    if not choices:
        return f"{parameter['low']} to {parameter['high']}"
    more = f", … ({len(choices)} choices)" if len(choices) > MAX_CHOICES else ""
    return ", ".join(truncated(as_json(each), 60) for each in choices[:MAX_CHOICES]) + more


def _when(parameter: Mapping[str, Any]) -> str:
    """Return the conditions with which trials have a parameter."""
    conditions = parameter.get("when", {}).items()
    return truncated("; ".join(f"{parent}: {shown(wanted)}" for parent, wanted in conditions), 300)


def _log(parameter: Mapping[str, Any]) -> str:
    return "log" if parameter.get("log") else ""
