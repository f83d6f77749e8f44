"""The responses to refused requests of the dashboard, with what to do instead.

Each is a problem document with an additional `reason`, which the dashboard shows.
"""

import re

from django.http import HttpResponse, JsonResponse

from tuner_project.rest.problems import PROBLEM_JSON, problem

_STUDY = "/api/v1/studies/{name}"

# What a write would do, by a pattern of its path.
_WRITES = {
    r"/api/studies/?$": "create a study: POST it to /api/v1/studies",
    r"/api/studies/\d+/rename": "rename a study: clone it under the new name in the admin",
    r"/api/studies/\d+(/\d+)?/note": "store notes: change the study's attributes by "
    f"PATCH {_STUDY}",
    r"/api/trials/\d+/tell": "finish a trial: POST to "
    f"{_STUDY}/trials/{{number}}/complete or /fail",
    r"/api/trials/\d+/user-attrs": "change a trial's attributes: send them with its result to "
    f"{_STUDY}/trials/{{number}}/complete",
    r"/api/artifacts": "store artifacts: store them elsewhere, and their URL as an attribute of "
    "the trial",
    r"/api/llm": "query a language model: filter the trials in the admin or by "
    f"GET {_STUDY}/trials",
}
_OTHER_WRITE = "write: use the API under /api/v1, or the admin"


def refusal(status: int, code: str, detail: str) -> HttpResponse:
    """Return the problem document of a refused request."""
    document = problem(status, code, detail) | {"reason": detail}
    return JsonResponse(document, status=status, content_type=PROBLEM_JSON)


def refuse_write(path: str) -> HttpResponse:
    """Return the refusal of a request that would write, by its path."""
    what = next(
        (text for pattern, text in _WRITES.items() if re.match(pattern, path)), _OTHER_WRITE
    )
    return refusal(403, "read_only", f"the dashboard cannot {what}")
