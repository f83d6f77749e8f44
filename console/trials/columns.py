"""The columns of the list of trials and fields of a trial's page, as functions of the trial."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from console import display
from console.trials.filters import GROUP, STUDY
from trials.models import Trial

MAX_STEPS = 1000

# State ----------------------------------------------------------------------------------------


@admin.display(description="study")
def study_link(trial: Trial) -> SafeString:
    """The study's name, as a link to its page."""
    url = reverse("admin:studies_study_change", args=[trial.study_id])
    return format_html('<a href="{}">{}</a>', url, display.truncated(trial.study.name, 60))


@admin.display(description="state")
def state(trial: Trial) -> SafeString:
    """The state as a badge."""
    return display.state_badge(trial.state)


@admin.display(description="reason")
def reason_text(trial: Trial) -> str:
    """Why the trial ended in its state, and whether that is an answer."""
    parts = ["infeasible"] if trial.infeasible else []
    if trial.reason:
        parts.append(display.truncated(trial.reason, 120))
    return ": ".join(parts) or display.EMPTY


@admin.display(description="sampled by")
def sampled_by(trial: Trial) -> str:
    """What drew the parameters, if the study's sampler chooses among others."""
    return display.truncated(trial.sampled_by or "", 40) or display.EMPTY


# Worker and time ------------------------------------------------------------------------------


@admin.display
def worker(trial: Trial) -> str:
    """The worker that runs or ran the trial."""
    return display.truncated(trial.worker_id, 40) or display.EMPTY


@admin.display(description="lease expires (UTC)")
def lease_expiry(trial: Trial) -> SafeString | str:
    """When the lease expires."""
    return display.timestamp(trial.lease_expires_at)


@admin.display
def repeat(trial: Trial) -> SafeString | str:
    """Which repeat of its point it is, with a link to the others."""
    which = trial.repeat
    if which is None:
        return display.EMPTY
    others = (
        f"{reverse('admin:trials_trial_changelist')}?{STUDY}={trial.study_id}"
        f"&{GROUP}={which['group']}"
    )
    return format_html('{} of <a href="{}">trial {}</a>', which["index"], others, which["group"])


@admin.display(description="aggregate of repeats")
def group_result(trial: Trial) -> str:
    """The state and the values of all repeats of its point, on the first of them."""
    if not trial.group_state:
        return display.EMPTY
    values = "" if trial.group_values is None else f": {display.numbers(trial.group_values)}"
    return f"{trial.group_state}{values}"


@admin.display
def duration(trial: Trial) -> str:
    """The time from start to end."""
    return display.duration(trial.duration_seconds)


@admin.display(description="started (UTC)")
def started(trial: Trial) -> SafeString | str:
    """When the trial started."""
    return display.timestamp(trial.datetime_start)


@admin.display(description="completed (UTC)")
def completed(trial: Trial) -> SafeString | str:
    """When the trial ended."""
    return display.timestamp(trial.datetime_complete)


# Parameters, results and attributes -----------------------------------------------------------


@admin.display(description="params")
def params_line(trial: Trial) -> SafeString:
    """The parameters in one line, for the list."""
    return display.params_line(trial.params)


@admin.display(description="by step")
def intermediate_values(trial: Trial) -> SafeString | str:
    """The first intermediate values by step."""
    values = trial.intermediate_value_set.order_by("step").values_list("step", "value")
    rows = [(str(step), display.number(value)) for step, value in values[: MAX_STEPS + 1]]
    if not rows:
        return display.EMPTY
    note = f"The {display.first_of(MAX_STEPS)}." if len(rows) > MAX_STEPS else ""
    return display.table(["Step", "Value"], rows[:MAX_STEPS], note)


@admin.display(description="user attributes")
def user_attributes(trial: Trial) -> SafeString | str:
    """The user attributes."""
    return display.attributes_table(trial.user_attrs, ["Attribute", "Value"])


@admin.display(description="system attributes")
def system_attributes(trial: Trial) -> SafeString | str:
    """The attributes that samplers and pruners set."""
    return display.attributes_table(trial.system_attrs, ["Attribute", "Value"])
