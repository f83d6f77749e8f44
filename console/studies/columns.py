"""The columns of the list of studies and fields of a study's page, as functions of the study."""

from urllib.parse import urlencode

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from console import display
from studies.domain.change_search_space import versions_of
from studies.models import Study

MAX_VERSIONS_SHOWN = 20  # of the search space


def trials_url(study: Study, state: str | None = None, **filters: str) -> str:
    """Return the URL of the list of the study's trials, with filters."""
    query = {"study__id__exact": str(study.pk), **filters}
    if state is not None:
        query["state__exact"] = state
    return f"{reverse('admin:trials_trial_changelist')}?{urlencode(query)}"


# State and budgets ----------------------------------------------------------------------------


@admin.display(description="state", ordering="state")
def state(study: Study) -> SafeString:
    """The state as a badge, and its reason."""
    badge = display.state_badge(study.state)
    return format_html("{} {}", badge, display.truncated(study.state_reason, 60))


@admin.display(description="retries and leases")
def retries_and_leases(study: Study) -> str:
    """How often a trial is retried, when a lease expires, and what else ends trials."""
    lease = "leases do not expire"
    if study.lease_seconds is not None:
        seconds = display.duration(study.lease_seconds)
        lease = f"a lease expires after {seconds} without a heartbeat"
    retries = "1 retry" if study.max_retries == 1 else f"{study.max_retries} retries"
    parts = [
        f"{retries} of a trial that fails",
        f"a silent worker gets its trial back up to {study.max_reoffers} times",
        lease,
    ]
    if study.max_trial_seconds is not None:
        parts.append(f"a trial ends after {display.duration(study.max_trial_seconds)}")
    if study.max_consecutive_failures is not None:
        parts.append(f"{study.max_consecutive_failures} failures in a row pause the study")
    if study.stop_running:
        parts.append("running trials are told to stop when the study is completed")
    return "; ".join(parts)


@admin.display(description="created (UTC)", ordering="created_at")
def created(study: Study) -> SafeString | str:
    """When the study was created."""
    return display.timestamp(study.created_at)


# Trials ---------------------------------------------------------------------------------------


@admin.display(description="trials", ordering="next_number")
def trial_count(study: Study) -> SafeString:
    """The number of trials, as a link to their list."""
    return format_html('<a href="{}">{}</a>', trials_url(study), f"{study.n_trials:,}")


@admin.display(description="by state")
def trial_counts(study: Study) -> SafeString | str:
    """The number of trials in each state, as links to their lists."""
    return count_badges(study, has_links=True)


def count_badges(study: Study, *, has_links: bool) -> SafeString | str:
    """The number of trials in each state, as badges."""
    badges = (
        (
            display.state_badge(
                state,
                f"{count:,} {state.lower()}",
                trials_url(study, state) if has_links else None,
            ),
        )
        for state, count in study.trial_counts.items()
        if count
    )
    return format_html_join(" ", "{}", badges) or display.EMPTY


@admin.display(description="best value", ordering="best_values")
def best_value(study: Study) -> SafeString | str:
    """The value of the best trial, as a link to the best trials."""
    if study.best_values is None:
        return display.EMPTY
    text = "{} (first of the Pareto front)" if study.is_multi_objective else "{}"
    names = f": {', '.join(study.metric_names)}" if study.metric_names else ""
    return format_html(
        '<a href="{}" title="{}">{}</a>',
        trials_url(study, on_front="1"),
        f"trial {study.best_number}{names}",
        text.format(display.numbers(study.best_values)),
    )


@admin.display(description="best parameters")
def best_params(study: Study) -> SafeString | str:
    """The parameters of the best trial."""
    return display.attributes_table(study.best_params, ["Parameter", "Value"])


# Definition -----------------------------------------------------------------------------------


@admin.display(description="directions", ordering="directions")
def directions(study: Study) -> str:
    """The direction of each objective, with its name if it has one."""
    if not study.metric_names:
        return ", ".join(study.directions)
    named = zip(study.metric_names, study.directions, strict=True)
    return display.truncated(", ".join(f"{name}: {direction}" for name, direction in named))


@admin.display(description="parameters")
def search_space(study: Study) -> SafeString:
    """The parameters with their ranges."""
    return display.search_space_table(study.current.parameters)


@admin.display(description="versions")
def search_space_versions(study: Study) -> SafeString | str:
    """The changes of the search space, the latest first, and the values of retired parameters."""
    if study.search_space_version == 1:
        return display.EMPTY
    rows, n = versions_of(study, MAX_VERSIONS_SHOWN, 0)
    return display.table(
        ["Version", "Since", "By", "Parameters", "Retired"],
        (
            (
                each.version,
                display.timestamp(each.created_at),
                each.actor or display.EMPTY,
                len(each.search_space),
                display.truncated(display.as_json(each.retired)) if each.retired else "",
            )
            for each in rows
        ),
        f"The latest {len(rows)} of {n}." if len(rows) < n else "",
    )


@admin.display(description="constraints")
def constraint_names(study: Study) -> str:
    """The names of the constraints."""
    return display.truncated(", ".join(study.constraints)) or display.EMPTY


@admin.display(description="constraints between parameters")
def parameter_constraints(study: Study) -> SafeString | str:
    """The constraints between parameters, one a line."""
    if not study.parameter_constraints:
        return display.EMPTY
    return format_html_join(
        "", "<div><code>{}</code></div>", ((each,) for each in study.parameter_constraints)
    )


@admin.display(description="repeats")
def repeats(study: Study) -> str:
    """How often each point is evaluated, and by what it is judged."""
    if study.repeated is None:
        return display.EMPTY
    return f"{study.repeated.n} of each point, judged by their {study.repeated.aggregate}"


@admin.display(description="user attributes")
def user_attributes(study: Study) -> SafeString | str:
    """The user attributes."""
    return display.attributes_table(study.user_attrs, ["Attribute", "Value"])
