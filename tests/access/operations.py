"""Every operation of the API, with a request that succeeds on the studies of `played`, and who may
send it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import get_resolver
from rest_framework.test import APIClient

SPACE = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "float", "name": "y", "low": 0.0, "high": 1.0},
]
STUDY = "api/v1/studies/<study_name:study_name>"
TRIAL = f"{STUDY}/trials/<trial_number:trial_id>"
FILE = object()  # a body: an exported study


@dataclass(frozen=True)
class Operation:
    """A request and the scope that it needs; `route` is the URL's pattern."""

    method: str
    route: str
    scope: str
    status: int = 200
    body: Any = None
    study: str = "one"
    trial: int = 0
    # What a token for other studies is answered with; the list is empty for it.
    foreign: int = 404

    def __str__(self) -> str:
        return f"{self.method} {self.route}"

    @property
    def path(self) -> str:
        return "/" + (
            self.route.replace("<study_name:study_name>", self.study)
            .replace("<trial_number:trial_id>", str(self.trial))
            .replace("<plot_kind:kind>", "slice")
        )

    def send(self, client: Any, file: str = "", headers: Mapping[str, str] | None = None) -> Any:
        if self.body is FILE:
            return client.generic(
                self.method, self.path, file, "application/x-ndjson", headers=headers
            )
        body = "" if self.body is None else self.body
        is_of_rest = isinstance(client, APIClient)
        how: Any = {"format": "json"} if is_of_rest else {"content_type": "application/json"}
        send = getattr(client, self.method.lower())
        return send(self.path, *([body] if body else []), headers=headers, **how)


_ANSWERS = ("best", "importance", "history", "progress", "advice", "export")
_NEW = {"search_space": SPACE, "sampler": "random"}
_TOLD = {"trials": [{"trial_id": 0, "state": "COMPLETE", "values": 0.5}]}

OPERATIONS = [
    Operation("GET", "api/v1/studies", "read", foreign=200),
    Operation("POST", "api/v1/studies", "manage", 201, {"name": "new", **_NEW}),
    Operation("GET", STUDY, "read"),
    Operation("PATCH", STUDY, "manage", 200, {"max_trials": 100}),
    Operation("DELETE", STUDY, "manage", 204),
    *(Operation("POST", f"{STUDY}/{act}", "manage") for act in ("pause", "complete", "cancel")),
    Operation("POST", f"{STUDY}/resume", "manage", study="paused"),
    *(Operation("GET", f"{STUDY}/{answer}", "read") for answer in _ANSWERS),
    Operation("GET", f"{STUDY}/pareto", "read", study="two"),
    Operation("GET", f"{STUDY}/hypervolume", "read", study="two"),
    Operation("GET", f"{STUDY}/plots/<plot_kind:kind>", "read"),
    Operation("POST", f"{STUDY}/clone", "manage", 201, {"name": "another"}),
    Operation("POST", "api/v1/studies/import", "manage", 201, FILE),
    Operation("GET", "api/v1/studies/import", "read"),
    Operation("PATCH", "api/v1/studies/import", "manage", 200, {"max_trials": 100}),
    Operation("DELETE", "api/v1/studies/import", "manage", 204),
    Operation("GET", f"{STUDY}/trials", "read"),
    Operation("POST", f"{STUDY}/trials", "manage", 201, {"params": {"x": 0.5}}),
    Operation("POST", f"{STUDY}/trials/suggest", "worker"),
    Operation("POST", f"{STUDY}/trials/suggest-batch", "worker", 200, {"count": 2}),
    Operation("POST", f"{STUDY}/trials/complete-batch", "worker", 200, _TOLD),
    Operation("GET", TRIAL, "read"),
    Operation("DELETE", TRIAL, "manage", trial=4),
    Operation("POST", f"{TRIAL}/report", "worker", 200, {"step": 1, "value": 0.5}),
    Operation("POST", f"{TRIAL}/heartbeat", "worker"),
    Operation("POST", f"{TRIAL}/complete", "worker", 200, {"values": 0.5}),
    Operation("POST", f"{TRIAL}/prune", "worker"),
    Operation("POST", f"{TRIAL}/fail", "worker", 200, {"reason": "no"}),
]  # fmt: skip


def play(client: APIClient) -> None:
    """Make the studies that the operations are about."""

    def post(path: str, body: Any = None) -> Any:
        response = client.post(f"/api/v1/studies{path}", body or {})
        assert response.status_code < 300, response.content
        return response.json()

    for name in ("one", "import", "paused"):
        post("", {"name": name, "direction": "minimize", **_NEW})
    post("", {"name": "two", "direction": ["minimize", "maximize"], **_NEW})
    post("/paused/pause")
    for name, values in (("one", [0.2, 0.7]), ("two", [[0.2, 0.3], [0.7, 0.9]])):
        post(f"/{name}/trials/suggest-batch", {"count": 4})
        for number in (1, 2):
            told = {"values": values[number - 1]}
            post(f"/{name}/trials/{number}/complete", told)
    post("/one/trials/0/report", {"step": 0, "value": 0.1})
    post("/one/trials", {"params": {"x": 0.1}})  # number 4, WAITING


def urls() -> Iterator[tuple[str, Any]]:
    """The pattern of every URL of the project, and what is called."""

    def walk(resolver: Any, before: str = "") -> Iterator[tuple[str, Any]]:
        for each in resolver.url_patterns:
            route = before + str(each.pattern)
            if hasattr(each, "url_patterns"):
                yield from walk(each, route)
            else:
                yield route, each.callback

    return walk(get_resolver())
