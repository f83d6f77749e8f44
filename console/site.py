"""What the admin is called, and failed logins. The apps register their models themselves."""

from typing import Any

from axes.models import AccessAttempt
from django.contrib import admin
from django.http import HttpRequest

admin.site.site_header = "Tuner"
admin.site.site_title = "Tuner"
admin.site.index_title = "Tuner"
admin.site.enable_nav_sidebar = False  # few lists; the tables need the width


@admin.register(AccessAttempt)
class FailedLoginAdmin(admin.ModelAdmin):
    """Failed logins that still count; deleting them unlocks."""

    list_display = ["attempt_time", "username", "ip_address", "failures_since_start", "user_agent"]
    list_display_links = None
    search_fields = ["username", "ip_address"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
