"""Tokens in the OpenAPI document."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class TokenScheme(OpenApiAuthenticationExtension):
    """Tokens as a security scheme of the OpenAPI document."""

    target_class = "access.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "Created in the admin, or by the command `create_token`.",
        }


class StaffScheme(OpenApiAuthenticationExtension):
    """Sessions of the admin as a security scheme of the OpenAPI document."""

    target_class = "access.api.authentication.StaffAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "The session of a staff user of the admin: for reading only.",
        }
