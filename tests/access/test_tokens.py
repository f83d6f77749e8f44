"""Authentication with tokens, their scopes, and the studies that they may see."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from access.actors import Actor
from access.domain.tokens import revoke_token
from access.models import Token
from access.models.audit_entry import ActorKind
from access.scopes import Scope
from studies.models import Study
from tests.support.api_client import authorized_client
from tests.support.study_builders import COMMAND

SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]
Make = Callable[..., APIClient]
MakeToken = Callable[..., tuple[Token, str]]


def problem_of(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def create(client: APIClient, name: str, **more: Any) -> Any:
    return client.post("/api/v1/studies", {"name": name, "search_space": SPACE} | more)


def import_file(client: APIClient, lines: Any, conflict: str) -> Any:
    url = f"/api/v1/studies/import?conflict={conflict}"
    return client.generic("POST", url, lines, "application/x-ndjson")


def test_token_authenticates(client_of: Make) -> None:
    client = client_of("manage")

    assert create(client, "a").status_code == 201
    assert client.post("/api/v1/studies/a/trials/suggest").json()["trial_id"] == 0


def test_scheme_is_read_in_any_case(token: MakeToken) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"bearer  {token('read')[1]}")

    assert client.get("/api/v1/studies").status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer x", "Bearer abcdefgh.wrong", "Bearer a\0b", "Basic YTpi",
     "Bearer é", "Bearer " + "x" * 5000],
)  # fmt: skip
def test_other_credentials_are_refused(db: None, header: str) -> None:
    client = APIClient()
    if header:
        client.credentials(HTTP_AUTHORIZATION=header)
    response = client.get("/api/v1/studies")

    code = "invalid_token" if header else "not_authenticated"
    assert problem_of(response) == (401, code)
    assert response["WWW-Authenticate"] == 'Bearer realm="tuner"'


def test_part_of_a_key_is_refused(token: MakeToken) -> None:
    _, key = token()
    for wrong in (key[:-1], key + "x", key.replace(".", ""), key.partition(".")[0], key.lower()):
        assert problem_of(authorized_client(wrong).get("/api/v1/studies")) == (401, "invalid_token")


def test_revoked_token_is_refused(token: MakeToken) -> None:
    made, key = token()
    revoke_token(actor=COMMAND, token=made)

    assert problem_of(authorized_client(key).get("/api/v1/studies")) == (401, "token_revoked")


def test_expired_token_is_refused(token: MakeToken) -> None:
    made, key = token(days=1)
    Token.objects.filter(pk=made.pk).update(expiry_date=timezone.now() - timedelta(seconds=1))
    response = authorized_client(key).get("/api/v1/studies")

    assert problem_of(response) == (401, "token_expired")
    assert "expired at 20" in response.json()["detail"]


def test_token_in_the_url_is_refused(token: MakeToken) -> None:
    _, key = token()
    for name in ("token", "access_token", "api_key", "Authorization"):
        response = APIClient().get("/api/v1/studies", {name: key})
        assert problem_of(response) == (401, "not_authenticated")


def test_given_token_is_checked_where_none_is_needed(settings: Any, token: MakeToken) -> None:
    settings.AUTH_REQUIRED = False
    reader = authorized_client(token("read")[1])

    assert problem_of(create(reader, "a")) == (403, "insufficient_scope")
    assert problem_of(authorized_client("nonsense").get("/api/v1/studies")) == (
        401,
        "invalid_token",
    )


def test_token_is_stored_as_a_hash(token: MakeToken) -> None:
    made, key = token()
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM access_token AS t")
        (row,) = cursor.fetchone()

    assert key.partition(".")[2] not in row
    assert made.prefix in row


def test_last_use_is_stored_to_the_minute(token: MakeToken) -> None:
    made, key = token("read")
    client = authorized_client(key)
    client.get("/api/v1/studies")
    made.refresh_from_db()
    first = made.last_used_at
    assert first is not None
    assert timezone.now() - first < timedelta(minutes=1)

    client.get("/api/v1/studies")
    made.refresh_from_db()
    assert made.last_used_at == first

    Token.objects.filter(pk=made.pk).update(last_used_at=first - timedelta(minutes=1))
    client.get("/api/v1/studies")
    made.refresh_from_db()
    assert made.last_used_at is not None
    assert made.last_used_at >= first


# Scopes ----------------------------------------------------------------------------------


def test_scopes_include_lower_scopes() -> None:
    assert [[a.includes(b) for b in Scope] for a in Scope] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_missing_scope_is_named(client_of: Make) -> None:
    response = client_of("worker", name="gpu-7").delete("/api/v1/studies/a")

    assert problem_of(response) == (403, "insufficient_scope")
    assert response.json()["detail"] == 'this needs the scope "manage", and "gpu-7" has "worker"'
    assert not Study.objects.exists()


# Studies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "seen", "unseen"),
    [
        ("*", ["a", "b/", "ü\n"], []),
        ("search-*", ["search-", "search-1", "search-\n"], ["search", "Search-1", "a search-1"]),
        ("*-prod", ["a-prod", "-prod"], ["prod", "a-prod "]),
        ("a*b*c", ["abc", "a b c", "abcbc"], ["ab", "acb", "abcd"]),
        ("a.c", ["a.c"], ["abc", "a.cd"]),
        ("a**b*", ["ab", "axb", "abc"], ["xab", "a"]),
        ("*a*b*", ["ab", "xaxbx", "aab"], ["ba", "a"]),
        ("*a" * 60, ["a" * 60, "ba" * 60], ["a" * 59, "a" * 60 + "b"]),
        ("100%_\\", ["100%_\\"], ["100xx\\", "100%_"]),
        ("a[b](c)|d", ["a[b](c)|d"], ["ab", "d"]),
        ("^a$ #&~-{}?+é", ["^a$ #&~-{}?+é"], ["a"]),
    ],
)
def test_patterns_match_alike_in_python_and_sql(
    pattern: str, seen: list[str], unseen: list[str]
) -> None:
    actor = Actor(ActorKind.TOKEN, Scope.READ, studies=pattern)
    assert [actor.sees(name) for name in seen + unseen] == [True] * len(seen) + [False] * len(
        unseen
    )


@pytest.mark.parametrize("pattern", ["*", "search-*", "*-prod", "a*c", "100%_*", "a.c", "(b)|^é $"])
def test_lists_hold_only_studies_of_the_pattern(client_of: Make, pattern: str) -> None:
    names = ["search-1", "search", "x-prod", "abc", "a.c", "100%_\\", "100xx", "(b)|^é $"]
    manager = client_of("manage")
    for name in names:
        assert create(manager, name).status_code == 201

    response = client_of("read", studies=pattern).get("/api/v1/studies")

    actor = Actor(ActorKind.TOKEN, Scope.READ, studies=pattern)
    expected = [name for name in reversed(names) if actor.sees(name)]
    assert [each["study_name"] for each in response.json()] == expected
    assert response["X-Total-Count"] == str(len(expected))


def test_study_outside_the_pattern_is_not_found(client_of: Make) -> None:
    create(client_of("manage"), "theirs")
    client = client_of("manage", studies="mine-*")

    for method, path, body in [
        ("get", "", None),
        ("get", "/best", None),
        ("get", "/export", None),
        ("patch", "", {"max_trials": 1}),
        ("delete", "", None),
        ("post", "/trials/suggest", None),
        ("post", "/clone", {"name": "mine-1"}),
    ]:
        response = getattr(client, method)(f"/api/v1/studies/theirs{path}", body)
        assert problem_of(response) == (404, "study_not_found")
    assert list(Study.objects.values_list("name", "max_trials")) == [("theirs", None)]


def test_trials_outside_the_pattern_start_no_study(client_of: Make) -> None:
    create(client_of("manage"), "theirs")
    assert (
        client_of("manage").post("/api/v1/studies/theirs/trials", {"params": {}}).status_code == 201
    )
    client = client_of("manage", studies="mine-*")

    named = create(client, "mine-1", warm_start={"from": ["theirs"]})
    assert problem_of(named) == (400, "invalid")
    by_pattern = create(client, "mine-1", warm_start={"from": ["*"]})
    assert by_pattern.json()["n_trials"] == 0


def test_study_outside_the_pattern_is_not_created(client_of: Make) -> None:
    manager = client_of("manage")
    create(manager, "theirs")
    create(manager, "mine-1")
    lines = manager.get("/api/v1/studies/theirs/export").getvalue()
    client = client_of("manage", studies="mine-*")

    assert problem_of(create(client, "theirs")) == (404, "study_not_found")
    assert problem_of(create(client, "new")) == (404, "study_not_found")
    clone = client.post("/api/v1/studies/mine-1/clone", {"name": "theirs-2"})
    assert problem_of(clone) == (404, "study_not_found")
    for conflict in ("fail", "skip", "rename"):
        assert problem_of(import_file(client, lines, conflict)) == (404, "study_not_found")
    assert sorted(Study.objects.values_list("name", flat=True)) == ["mine-1", "theirs"]


def test_import_does_not_rename_outside_the_pattern(client_of: Make) -> None:
    manager = client_of("manage")
    create(manager, "only")
    lines = manager.get("/api/v1/studies/only/export").getvalue()
    client = client_of("manage", studies="only")

    response = import_file(client, lines, "rename")

    assert problem_of(response) == (404, "study_not_found")
    assert Study.objects.count() == 1


# Staff -----------------------------------------------------------------------------------


def test_staff_reads_with_a_session(client_of: Make, staff_client: Callable[..., Client]) -> None:
    create(client_of("manage"), "a")
    client = staff_client("view_study", "view_trial")

    for path in ("", "/trials", "/progress"):
        assert client.get(f"/api/v1/studies/a{path}").status_code == 200
    response = client.post("/api/v1/studies/a/trials/suggest", content_type="application/json")
    assert problem_of(response) == (403, "insufficient_scope")
    assert problem_of(client.delete("/api/v1/studies/a")) == (403, "insufficient_scope")


def test_staff_reads_only_with_the_admins_permissions(
    client_of: Make, staff_client: Callable[..., Client]
) -> None:
    create(client_of("manage"), "a")
    nothing, studies = staff_client(), staff_client("view_study", name="of studies")

    assert problem_of(nothing.get("/api/v1/studies")) == (403, "insufficient_scope")
    assert studies.get("/api/v1/studies/a").status_code == 200
    for path in ("trials", "export"):
        response = studies.get(f"/api/v1/studies/a/{path}")
        assert problem_of(response) == (403, "insufficient_scope")


def test_token_takes_precedence_over_a_session(
    token: MakeToken, staff_client: Callable[..., Client]
) -> None:
    client = staff_client("view_study")
    header = {"Authorization": f"Bearer {token('read', studies='none')[1]}"}

    assert client.get("/api/v1/studies", headers=header).json() == []


# The command -----------------------------------------------------------------------------


def test_create_token_prints_a_key_that_works(db: None) -> None:
    out, err = StringIO(), StringIO()
    call_command(
        "create_token", "gpu", "--scope", "worker", "--studies", "search-*", "--days", "90",
        stdout=out, stderr=err,
    )  # fmt: skip

    made = Token.objects.get()
    key = out.getvalue().strip()
    assert Token.objects.of_key(key) == made
    assert key not in err.getvalue()
    assert (made.name, made.scope, made.studies) == ("gpu", "worker", "search-*")
    assert made.expiry_date is not None
    assert abs(made.expiry_date - timezone.now() - timedelta(days=90)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["", "--scope", "read"], "cannot be blank"),
        (["x" * 51, "--scope", "read"], "at most 50 characters"),
        (["x", "--scope", "read", "--studies", ""], "cannot be blank"),
        (["x", "--scope", "read", "--days", "0"], "--days is 0: expected 1 to 36500"),
        (["x", "--scope", "all"], "invalid choice"),
        (["x"], "required: --scope"),
    ],
)
def test_create_token_refuses_invalid_arguments(db: None, arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("create_token", *arguments)
    assert not Token.objects.exists()
