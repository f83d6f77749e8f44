"""What the live part of a study's page is rendered with (`console/study_page/live.html`)."""

from typing import Any

from django.urls import reverse

from analysis.reports import has_reports
from console import display
from console.studies import columns
from console.studies.actions.state_actions import CONFIRMED_ACTIONS
from console.studies.page.budget_bars import budget_bars
from studies.domain.lifecycle import allowed_actions
from studies.models import Study


def live_context(study: Study, *, api_url: str) -> dict[str, Any]:
    """Return the context of the live part, without links to trials and without buttons.

    Args:
        study: The study.
        api_url: The prefix of the URLs of its API, from which the page's script reads.
    """
    best = display.truncated(f"Best value ({columns.directions(study)})", 92)
    return {
        "api_url": api_url,
        "objectives": list(zip(study.objective_names, study.directions, strict=True)),
        "has_reports": has_reports(study),
        "best_title": best,
        "budgets": budget_bars(study),
        "state": columns.state(study),
        "trial_count": f"{study.n_trials:,}",
        "trial_counts": columns.count_badges(study, has_links=False),
        "best_value": display.numbers(study.best_values),
        "best_params": columns.best_params(study),
    }


def study_context(study: Study, *, has_links: bool) -> dict[str, Any]:
    """Return the context of the live part in the admin, with links to trials if they are wanted."""
    context = live_context(study, api_url=reverse("study", args=[study.name]))
    if not has_links:
        return context
    return {
        **context,
        "trials_url": columns.trials_url(study),
        "trial_url": reverse("admin:studies_study_trial", args=[study.pk, 0]).removesuffix("0/"),
        "trial_count": columns.trial_count(study),
        "trial_counts": columns.trial_counts(study),
        "best_value": columns.best_value(study),
    }


def state_buttons(study: Study) -> list[dict[str, str]]:
    """Return the buttons that change the study's state: action, url, and question or ""."""
    return [
        {
            "action": action,
            "url": reverse("admin:studies_study_act", args=[study.pk, action]),
            "question": _question(study, action) if action in CONFIRMED_ACTIONS else "",
        }
        for action in allowed_actions(study)
    ]


def _question(study: Study, action: str) -> str:
    warning = " A cancelled study cannot be resumed." if action == "cancel" else ""
    return f"{action.capitalize()} the study “{study.name}”?{warning}"
