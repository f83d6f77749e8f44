"""The Django app `console`: the web pages."""

from django.apps import AppConfig

from tuner_project import extensions


class ConsoleConfig(AppConfig):
    """Register with the frame what this app adds to it."""

    name = "console"

    def ready(self) -> None:
        from tuner_project.security.content_policy import CLOSED, PLOTS

        extensions.register_page_urls("console.dashboard.urls")
        extensions.register_page_urls("console.sharing.urls")
        # The dashboard uses Plotly, and a library that writes its styles into <style> elements.
        extensions.register_content_policy(r"/dashboard(/|$)", PLOTS)
        extensions.register_content_policy(r"/csv/", CLOSED)
        # The pages of a study, also of a shared one, of a trial, and the comparison have plots.
        plots = r"/admin/(studies/study/([0-9]+/change|compare)|trials/trial/[0-9]+/change)/$"
        extensions.register_content_policy(r"/share$", PLOTS)
        extensions.register_content_policy(plots, PLOTS)
