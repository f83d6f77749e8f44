"""Liveness and readiness probes.

Probes use a separate database connection, so that they do not wait for the pool, with a timeout of
two seconds. They need no token, so a process runs one check at a time and reuses its result for a
second.
"""

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

import psycopg
from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from tuner_project import extensions
from tuner_project.db.database import direct_cursor
from tuner_project.db.readiness import first_reason
from tuner_project.rest.serializers import EmptySerializer
from tuner_project.rest.views import ApiViewSet

TIMEOUT = 2  # seconds
KEPT = 1.0  # seconds for which a result is reused
_AWAY = "the database cannot be reached"


class HealthSerializer(serializers.Serializer[Any]):
    """The state of the service."""

    status = serializers.ChoiceField(choices=["healthy", "degraded"])
    version = serializers.CharField()
    storage_connected = serializers.BooleanField()
    unavailable = serializers.DictField(
        child=serializers.CharField(),
        help_text="The optional parts that this installation lacks, and what installs them.",
    )


class ReadySerializer(serializers.Serializer[Any]):
    """The response of a service that is ready."""

    status = serializers.ChoiceField(choices=["ready"])


class NotReadySerializer(serializers.Serializer[Any]):
    """The reason why the service is not ready."""

    status = serializers.ChoiceField(choices=["not_ready"])
    reason = serializers.CharField()


@extend_schema(tags=["health"])
class HealthViewSet(ApiViewSet):
    """The liveness and readiness probes, without authentication."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()
    serializer_class = EmptySerializer

    @extend_schema(operation_id="getHealth", responses=HealthSerializer)
    def health(self, request: Request) -> Response:
        """Report liveness: 200 even without the database, which a restart would not bring back."""
        connected = _finding.now().is_connected
        status = "healthy" if connected else "degraded"
        unavailable = {name: why for each in extensions.UNAVAILABLE for name, why in each().items()}
        document = {
            **{"status": status, "version": settings.VERSION, "storage_connected": connected},
            "unavailable": unavailable,
        }
        return Response(HealthSerializer(document).data)

    @extend_schema(
        operation_id="getReadiness", responses={200: ReadySerializer, 503: NotReadySerializer}
    )
    def ready(self, request: Request) -> Response:
        """Report readiness: the database is reachable, and both schemas fit this version."""
        reason = _finding.now().reason
        if reason is None:
            return Response({"status": "ready"})
        return Response({"status": "not_ready", "reason": reason}, status=503)


@dataclass(frozen=True)
class Found:
    """The result of a check: whether the database can be reached, and why the service is not ready.

    `reason` is None if the service is ready.
    """

    is_connected: bool
    reason: str | None


class Finding:
    """A cache of the checks' latest result, for `KEPT` seconds. One thread at a time runs them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: Found | None = None
        self._until = 0.0

    def now(self) -> Found:
        with self._lock:
            if self._found is None or time.monotonic() >= self._until:
                self._found = _ask_database()
                self._until = time.monotonic() + KEPT
            return self._found

    def forget(self) -> None:
        """Drop the cached result."""
        with self._lock:
            self._found = None


_finding = Finding()
forget = _finding.forget


def _ask_database() -> Found:
    is_connected = False
    try:
        with direct_cursor(TIMEOUT) as cursor:
            is_connected = True
            return Found(is_connected, first_reason(cursor))
    except psycopg.Error:
        return Found(is_connected, _AWAY)
