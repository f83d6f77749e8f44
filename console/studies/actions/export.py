"""The admin action that exports selected studies as one file."""

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, StreamingHttpResponse

from studies.models import Study
from transfer.api.attachment import attachment


@admin.action(description="Export selected studies", permissions=["export"])
def export_studies(
    model_admin: admin.ModelAdmin, request: HttpRequest, queryset: models.QuerySet[Study]
) -> StreamingHttpResponse:
    """Stream the studies and their trials, one study after the other."""
    names = list(queryset.order_by("id").values_list("name", flat=True))
    return attachment(names, filename=names[0] if len(names) == 1 else "studies")
