from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client


@pytest.fixture
def lesser_client(db: None, django_user_model: Any) -> Callable[..., Client]:
    """Logs in somebody of the staff who has the named permissions only."""

    def logged_in(*codenames: str) -> Client:
        user = django_user_model.objects.create_user("staff", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return logged_in
