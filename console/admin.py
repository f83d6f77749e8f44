"""The registration of all admin pages; Django imports this module when it starts."""

from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group, User
from rest_framework_api_key.models import APIKey

from access.models import Token
from access.models.audit_entry import AuditEntry
from console.access.audit_admin import AuditAdmin
from console.access.failed_login_admin import FailedLoginAdmin
from console.access.token_admin import TokenAdmin
from console.events.webhook_admin import WebhookAdmin
from console.known_lookups import KnownGroupAdmin, KnownUserAdmin
from console.studies.study_admin import StudyAdmin
from console.trials.trial_admin import TrialAdmin
from events.models import Webhook
from studies.models import Study
from trials.models import Trial

admin.site.site_header = "Tuner"
admin.site.site_title = "Tuner"
admin.site.index_title = "Tuner"
admin.site.enable_nav_sidebar = False  # there are few lists, and their tables need the width

admin.site.register(Study, StudyAdmin)
admin.site.register(Trial, TrialAdmin)
admin.site.register(Token, TokenAdmin)
admin.site.register(Webhook, WebhookAdmin)
admin.site.register(AuditEntry, AuditAdmin)
admin.site.register(AccessAttempt, FailedLoginAdmin)
admin.site.unregister([User, Group])
admin.site.register(User, KnownUserAdmin)
admin.site.register(Group, KnownGroupAdmin)
admin.site.unregister(APIKey)  # `Token` extends its abstract base; the model itself is not used
