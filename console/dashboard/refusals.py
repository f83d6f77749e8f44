"""What the dashboard may not do here, and where it is done instead.

A refusal is a problem document with a `reason` besides, which is what the dashboard shows.
"""

import re

from django.http import HttpResponse, JsonResponse

from tuner_project.rest.problems import PROBLEM_JSON, problem

_STUDY = "/api/v1/studies/{name}"

# By what the path of the request begins with.
_WRITES = {
    r"/api/studies/?$": "create a study: POST it to /api/v1/studies",
    r"/api/studies/\d+/rename": "rename a study: clone it under the new name, in the admin",
    r"/api/studies/\d+(/\d+)?/note": "keep notes: attributes of a study are changed by "
    f"PATCH {_STUDY}",
    r"/api/trials/\d+/tell": "end a trial: tell its number to "
    f"{_STUDY}/trials/{{number}}/complete or /fail",
    r"/api/trials/\d+/user-attrs": "change a trial's attributes: they are told with its result, to "
    f"{_STUDY}/trials/{{number}}/complete",
    r"/api/artifacts": "keep artifacts: store them elsewhere, and tell the trial their address "
    "as an attribute",
    r"/api/llm": "ask a language model: narrow the trials down in the admin, or by "
    f"GET {_STUDY}/trials",
}
_ANY_WRITE = "write: use the API under /api/v1, or the admin"


def refusal(status: int, code: str, detail: str) -> HttpResponse:
    document = problem(status, code, detail) | {"reason": detail}
    return JsonResponse(document, status=status, content_type=PROBLEM_JSON)


def refused_write(path: str) -> HttpResponse:
    what = next((text for begin, text in _WRITES.items() if re.match(begin, path)), _ANY_WRITE)
    return refusal(403, "read_only", f"the dashboard cannot {what}")
