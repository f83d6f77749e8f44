"""A study whose trials the admin lists and exports."""

from typing import Any
from urllib.parse import urlencode

from rest_framework.test import APIClient

from studies.models import Study
from tests.play import add, create_study, start, suggest, tell

LIST = "/admin/trials/trial/"
SPACE = [
    {"type": "float", "name": "lr", "low": 0.0, "high": 1.0},
    {"type": "int", "name": "<n>", "low": 1, "high": 64},
    {"type": "categorical", "name": "kind", "choices": ["=1+1", "b", True, -1.5]},
]


def of(study: Study, path: str = "", **query: Any) -> str:
    return f"{LIST}{path}?{urlencode({'study__id__exact': study.pk, **query})}"


def played(api: APIClient) -> Study:
    """Values 3, 1, none (running, of <w>), 1, none (failed); and a waiting trial."""
    create_study(api, search_space=SPACE)
    for value in (3, 1):
        params = {"lr": 0.1 + 0.2, "<n>": 7, "kind": "=1+1"}
        add(api, {"params": params, "state": "COMPLETE", "values": value})
    suggest(api, worker_id="<w>")
    tell(api, start(api, worker_id="-w"), "complete", values=1, user_attrs={"a,b": '"ü"\n'})
    tell(api, start(api, worker_id="@w"), "fail", reason="=cmd|' /C calc'!A0\nline 2")
    add(api, {"params": {"kind": True}})
    return Study.objects.get()
