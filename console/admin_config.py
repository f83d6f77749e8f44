"""The app of Django's admin, with this service's front page."""

from django.contrib.admin.apps import AdminConfig


class ConsoleAdminConfig(AdminConfig):
    """Let `admin.site` be the site with the front page."""

    default_site = "console.front_page.site.ConsoleSite"
