"""Failed logins in the admin."""

from console.read_only_admin import ReadOnlyAdmin


class FailedLoginAdmin(ReadOnlyAdmin):
    """Failed logins that still count towards the limit; deleting them lifts the lockout."""

    list_display = ["attempt_time", "username", "ip_address", "failures_since_start", "user_agent"]
    list_display_links = None
    search_fields = ["username", "ip_address"]
    can_delete = True
