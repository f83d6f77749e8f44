"""OpenAPI links, by which clients and tests find the operations that may follow a response."""

from typing import Any

from tuner_project import extensions


def add_links(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add the registered links to their responses (a postprocessing hook of drf-spectacular)."""
    for methods in result["paths"].values():
        for operation in methods.values():
            for status, answer in operation.get("responses", {}).items():
                leads_to = extensions.OPENAPI_LINKS.get((operation.get("operationId"), status))
                if leads_to:
                    answer["links"] = {
                        name: {"operationId": name, "parameters": parameters}
                        for name, parameters in leads_to.items()
                    }
    return result
