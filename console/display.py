"""How the admin writes numbers, times, attributes and states; the length of each is bounded."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator

EMPTY = "-"
MAX_ATTRIBUTES = 1000  # as many as a search space can have parameters
MAX_CHOICES = 30
MAX_TEXT = 1000  # characters of one value
MAX_PARAMS_LINE = 160  # characters of a cell in a list

# Text -----------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Six digits of a number, which may be nan or inf."""
    return f"{value:.6g}"


def numbers(values: Iterable[float] | None) -> str:
    """Numbers in a line, each with six digits."""
    return EMPTY if values is None else ", ".join(map(number, values))


def param_value(value: Any, length: int) -> str:
    """The value of a parameter, a choice in at most `length` characters."""
    return number(value) if isinstance(value, float) else truncated(str(value), length)


def truncated(text: str, length: int = MAX_TEXT) -> str:
    """The text, cut to `length` characters with an ellipsis."""
    return Truncator(text).chars(length)


def as_json(value: Any) -> str:
    """The value as JSON, cut to `MAX_TEXT` characters."""
    return truncated(json.dumps(value, ensure_ascii=False))


def duration(seconds: float | None) -> str:
    """Seconds below a minute, and hours, minutes and seconds above."""
    if seconds is None:
        return EMPTY
    if abs(seconds) < 60:
        return f"{seconds:.3g}\N{NO-BREAK SPACE}s"
    return str(timedelta(seconds=round(seconds)))


def first_of(n_shown: int, n_total: int | None = None) -> str:
    """Say that a list is cut after its first items.

    Args:
        n_shown: How many items are shown.
        n_total: How many there are; None where only that there are more is known.
    """
    if n_total is None:
        return f"first {n_shown:,}; there are more"
    return f"first {n_shown:,} of {n_total:,}"


# HTML -----------------------------------------------------------------------------------------


def timestamp(value: datetime | None) -> SafeString | str:
    """The time in UTC, to the second."""
    if value is None:
        return EMPTY
    text = f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return format_html('<span class="tuner-timestamp">{}</span>', text)


def params_line(params: Mapping[str, Any]) -> SafeString:
    """Parameters and their values in one line, for a cell of a list."""
    texts = (f"{name}={param_value(value, 40)}" for name, value in params.items())
    line = truncated(", ".join(texts), MAX_PARAMS_LINE)
    return format_html('<span class="tuner-compact">{}</span>', line)


def state_badge(state: str, text: str | None = None, url: str | None = None) -> SafeString:
    """A coloured badge of a state.

    Args:
        state: The state, which chooses the colour.
        text: What the badge says; the state if None.
        url: Where the badge links to, if anywhere.
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
    """A table with a note below it."""
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
    """A table of the first names and their values."""
    if not attrs:
        return EMPTY
    shown = list(attrs.items())[:MAX_ATTRIBUTES]
    is_cut = len(shown) < len(attrs)
    note = f"The {first_of(len(shown), len(attrs))}." if is_cut else ""
    rows = ((truncated(name), as_json(value)) for name, value in shown)
    return table(heads, rows, note)


def search_space_table(parameters: Iterable[Mapping[str, Any]]) -> SafeString:
    """A table of the parameters of a search space."""
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
    return ", ".join(truncated(as_json(each), 60) for each in choices[:MAX_CHOICES]) + more


def _log(parameter: Mapping[str, Any]) -> str:
    return "log" if parameter.get("log") else ""
