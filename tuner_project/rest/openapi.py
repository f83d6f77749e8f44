"""The parts of the OpenAPI document that all operations share."""

from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema

from tuner_project import extensions
from tuner_project.rest.serializers import ProblemSerializer

Direction = Literal["request", "response"]


class TunerSchema(AutoSchema):
    """Add a view's declared query parameters, its required scope, and the problem documents."""

    def get_description(self) -> str:  # type: ignore[override]
        description = str(super().get_description())
        scope = self._needed_scope()
        return f"{description}\n\nScope: `{scope}`." if scope else description

    def _needed_scope(self) -> str | None:
        for permission in self.view.get_permissions():
            if hasattr(permission, "needed_scope"):
                return str(permission.needed_scope(self.view, self.method))
        return None

    def get_override_parameters(self) -> list[Any]:
        declared = getattr(self.view, "query_serializers", {}).get(
            getattr(self.view, "action", None)
        )
        return [*super().get_override_parameters(), *([declared] if declared else [])]

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction)
        for status, description in self._problems().items():
            if status not in bodies:
                body = self._get_response_for_code(
                    ProblemSerializer, status, ["application/problem+json"], direction
                )
                bodies[status] = body | {"description": description}
        return bodies

    def _problems(self) -> dict[str, str]:
        problems = {
            "400": "The request is invalid; `errors` point at what is wrong.",
            "503": "Temporarily unavailable: try again after `Retry-After` seconds. The causes by "
            "`code`: `overloaded`, the service is overloaded; `storage_away`, the database cannot "
            "be reached; `storage_busy`, the database is overloaded or took too long; "
            "`storage_full`, the database has no space left; `storage_read_only`, the database is "
            "read-only; `service_full`, the service's own disk has no space left for a file"
            f"{self._further_causes('503')}.",
        }
        if self._needed_scope():
            problems["401"] = "The token is missing, unknown, expired or revoked."
            problems["403"] = "The token's scope does not include this."
            problems["429"] = (
                "Try again after `Retry-After` seconds. The causes by `code`: `too_many_requests`, "
                "the token or the address has sent more requests per minute than it may"
                f"{self._heavy_cause()}{self._further_causes('429')}."
            )
        if "{" in self.path:
            problems["404"] = "The object in the path does not exist, or the token may not see it."
        if self.method != "GET":
            problems["409"] = "The request conflicts with the current state, as `code` says."
            problems["408"] = "The body was not received in time."
            problems["413"] = "The body is too large."
            problems["415"] = "The body has another media type, such as none."
        return problems

    def _heavy_cause(self) -> str:
        if getattr(self.view, "action", None) not in getattr(self.view, "heavy", ()):
            return ""
        return "; `too_many_heavy_requests`, other heavy requests of the token are being served"

    def _further_causes(self, status: str) -> str:
        """Return the further causes of a status that the view declares for this action."""
        action = getattr(self.view, "action", None)
        causes = getattr(self.view, "problem_causes", {}).get(action, {})
        return f"; {causes[status]}" if status in causes else ""


def apply_registered_hooks(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Run the postprocessing hooks that the apps have registered."""
    for hook in extensions.OPENAPI_HOOKS:
        result = hook(result, **kwargs)
    return result
