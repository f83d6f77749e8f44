"""The admin's site, whose index begins with what happens in the studies."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse


class ConsoleSite(AdminSite):
    """Django's site with another front page (`admin/index.html`)."""

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        from console.front_page.content import front_page  # once the apps are ready

        return super().index(request, {**front_page(request), **(extra_context or {})})
