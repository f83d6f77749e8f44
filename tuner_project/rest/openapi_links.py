"""Where an answer leads: OpenAPI's links, by which clients and tests walk from call to call."""

from typing import Any

from tuner_project import extensions


def add_links(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """A postprocessing hook: each link stands in the answer that it begins at."""
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
