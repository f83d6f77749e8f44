"""The Django app of trials."""

from django.apps import AppConfig

from tuner_project import extensions


class TrialsConfig(AppConfig):
    """Connect the signals, and register this app's extensions of `tuner_project`."""

    name = "trials"

    def ready(self) -> None:
        from optuna_bridge.enums import TrialState
        from studies.domain import change_search_space, lifecycle, warm_start
        from trials import receivers  # noqa: F401  (connect the signals)
        from trials.api import openapi
        from trials.api.request_serializers import ADDED, ENDED
        from trials.domain.adding.warm_start import add_best_trials
        from trials.domain.cleanup import delete_old_logs
        from trials.domain.expire_leases import limit_running_trials
        from trials.domain.space_changes import adapt_trials

        extensions.register_api_urls("trials.api.urls", first=True)  # most requests are for these
        extensions.register_openapi_links(openapi.LINKS)
        extensions.register_openapi_enums(TrialState=TrialState, EndedState=ENDED, AddedState=ADDED)
        extensions.register_problem_members(**openapi.PROBLEM_MEMBERS)
        extensions.register_metrics("trials.metrics")
        extensions.register_cleanup_job(delete_old_logs)
        extensions.register_background_command("expire_trials", every=10)
        lifecycle.CHANGE_HOOKS.append(limit_running_trials)
        change_search_space.HOOKS.append(adapt_trials)
        warm_start.HOOKS.append(add_best_trials)
