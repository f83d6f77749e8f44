"""Events in the OpenAPI document."""

from studies.api.openapi import after_creation
from tuner_project.extensions import Links

WEBHOOK = {"webhook_id": "$response.body#/id"}
LINKS: Links = {
    **after_creation("listEvents"),
    ("createWebhook", "201"): dict.fromkeys(
        ("getWebhook", "updateWebhook", "pingWebhook", "rotateWebhookSecret", "deleteWebhook"),
        WEBHOOK,
    ),
}
