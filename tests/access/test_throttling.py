"""Rate limits for each token and address, separate for reads and writes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from access.domain.tokens import revoke_token
from access.models import RateLimit, Token
from tests.support.api_client import authorized_client
from tests.support.database import session_setting
from tests.support.study_builders import COMMAND

SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]
READ, WRITE = "/api/v1/studies", "/api/v1/studies/none/pause"
Make = Callable[..., APIClient]
MakeToken = Callable[..., tuple[Token, str]]


@pytest.fixture(autouse=True)
def _no_limits(settings: Any) -> None:
    for kind in ("READS", "WRITES"):
        setattr(settings, f"RATE_LIMIT_{kind}", 0)
        setattr(settings, f"RATE_LIMIT_ADDRESS_{kind}", 0)


def read(client: APIClient, **more: Any) -> int:
    return client.get(READ, **more).status_code


def write(client: APIClient, **more: Any) -> int:
    return client.post(WRITE, **more).status_code


def let_pass(seconds: float) -> None:
    """Move all moments into the past."""
    RateLimit.objects.update(arrives_at=F("arrives_at") - timedelta(seconds=seconds))


def test_limit_admits_its_number_of_requests(client_of: Make, settings: Any) -> None:
    settings.RATE_LIMIT_READS = 60
    client = client_of()
    # Evenly spread, with two seconds' worth at once.
    assert [read(client) for _ in range(5)] == [200, 200, 200, 429, 429]
    let_pass(1)
    assert [read(client) for _ in range(2)] == [200, 429]
    let_pass(60)
    assert [read(client) for _ in range(4)] == [200, 200, 200, 429]


def test_refusal_has_retry_after(client_of: Make, settings: Any) -> None:
    settings.RATE_LIMIT_READS = 2
    client = client_of(name="gpu")
    assert read(client) == 200
    response = client.get(READ)

    assert response["Retry-After"] == "28"
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["code"]) == (429, "too_many_requests")
    assert problem["detail"] == 'the token "gpu" may send 2 reads a minute: wait 28 s'
    let_pass(28)
    assert read(client) == 200


def test_reads_and_writes_are_counted_apart(client_of: Make, settings: Any) -> None:
    settings.RATE_LIMIT_READS = settings.RATE_LIMIT_WRITES = 1
    client = client_of()
    assert [read(client), read(client)] == [200, 429]
    assert [write(client), write(client)] == [404, 429]


def test_tokens_are_counted_apart(client_of: Make, settings: Any) -> None:
    settings.RATE_LIMIT_READS = 1
    for client in (client_of(), client_of()):
        assert [read(client), read(client)] == [200, 429]


def test_address_counts_over_all_its_tokens(client_of: Make, settings: Any) -> None:
    settings.RATE_LIMIT_ADDRESS_READS = 1
    clients = client_of(), client_of()
    assert [read(client) for client in clients] == [200, 429]
    assert clients[1].get(READ).json()["detail"].startswith("the address 127.0.0.1 may send 1 read")
    assert read(clients[1], REMOTE_ADDR="192.0.2.1") == 200


def test_ipv6_addresses_of_a_network_are_one(client_of: Make, settings: Any) -> None:
    settings.RATE_LIMIT_ADDRESS_READS = 1
    client = client_of()
    assert read(client, REMOTE_ADDR="2001:db8:0:1::1") == 200
    assert read(client, REMOTE_ADDR="2001:db8:0:1:ffff::2") == 429
    assert read(client, REMOTE_ADDR="2001:db8:0:2::1") == 200


def test_refused_request_does_not_count_for_the_other_limit(client_of: Make, settings: Any) -> None:
    settings.RATE_LIMIT_READS, settings.RATE_LIMIT_ADDRESS_READS = 1, 60
    greedy, modest = client_of(), client_of()
    assert [read(greedy) for _ in range(9)] == [200] + [429] * 8
    settings.RATE_LIMIT_READS = 60
    assert [read(modest) for _ in range(3)] == [200, 200, 429]


def test_refused_tokens_count_for_their_address_alone(
    client_of: Make, token: MakeToken, settings: Any
) -> None:
    settings.RATE_LIMIT_ADDRESS_READS = settings.RATE_LIMIT_ADDRESS_WRITES = 30
    revoked, key = token()
    revoke_token(actor=COMMAND, token=revoked)
    assert [
        read(authorized_client("guess")),
        read(authorized_client(key)),
        read(authorized_client("guess")),
    ] == [401, 401, 429]
    problem = authorized_client("guess").get(READ).json()
    assert problem["detail"].startswith("the address 127.0.0.1 may send 30 refused requests a min")
    assert read(client_of()) == 200
    assert write(client_of()) == 404


def test_guess_of_a_secret_neither_counts_for_the_token_nor_uses_it(
    token: MakeToken, settings: Any
) -> None:
    settings.RATE_LIMIT_READS = 1
    made, key = token()
    prefix, secret = key.split(".")
    guesses = [f"{prefix}.{'x' * len(secret)}", f"{prefix}.", prefix, key + "x", key[:-1]]
    assert [read(authorized_client(guess)) for guess in guesses] == [401] * 5
    made.refresh_from_db()
    assert made.last_used_at is None
    assert not RateLimit.objects.exists()
    assert [read(authorized_client(key)) for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("fields", [{"revoked": True}, {"expiry_date": timezone.now()}])
def test_unusable_token_neither_counts_nor_is_noted(
    token: MakeToken, settings: Any, fields: dict[str, Any]
) -> None:
    settings.RATE_LIMIT_READS = 1000
    made, key = token()
    Token.objects.filter(pk=made.pk).update(**fields)
    assert read(authorized_client(key)) == 401
    made.refresh_from_db()
    assert made.last_used_at is None
    assert not RateLimit.objects.exists()


def test_request_over_the_limit_is_one_of_its_token(token: MakeToken, settings: Any) -> None:
    settings.RATE_LIMIT_READS = 1
    client = authorized_client(token(name="gpu")[1])
    client.get(READ)
    response = client.get(READ)
    assert response.status_code == 429
    request: Any = response.wsgi_request
    assert request.caller_name == "token gpu"


def test_invalid_session_counts_as_refused(
    client_of: Make, settings: Any, staff_client: Callable[..., Client]
) -> None:
    settings.RATE_LIMIT_ADDRESS_WRITES = 30
    stranger = APIClient()
    stranger.cookies["sessionid"] = "guess"
    assert [read(stranger) for _ in range(4)] == [401, 401, 429, 429]
    assert write(client_of()) == 404
    staff = staff_client("view_study")
    assert [staff.get(READ).status_code for _ in range(4)] == [200] * 4


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limit", [0, 1000])
def test_standby_serves_reads_with_a_token(client_of: Make, settings: Any, limit: int) -> None:
    for kind in ("READS", "WRITES"):
        setattr(settings, f"RATE_LIMIT_{kind}", limit)
        setattr(settings, f"RATE_LIMIT_ADDRESS_{kind}", limit)
    client = client_of()
    with session_setting("default_transaction_read_only", "on"):
        assert [read(client), read(client)] == [200, 200]
        assert read(authorized_client("guess")) == 401
        assert write(client) == 503
    assert [read(client), write(client)] == [200, 404]


@pytest.mark.django_db(transaction=True)
def test_full_disk_does_not_stop_reads(client_of: Make, settings: Any) -> None:
    settings.RATE_LIMIT_READS = settings.RATE_LIMIT_WRITES = 1000
    client = client_of()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION public.failing() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '53100'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER failing BEFORE INSERT ON access_ratelimit "
            "FOR EACH ROW EXECUTE FUNCTION public.failing()"
        )
        try:
            assert [read(client), write(client)] == [200, 503]
        finally:
            cursor.execute("DROP FUNCTION public.failing CASCADE")


def test_forbidden_request_counts(client_of: Make, settings: Any) -> None:
    settings.RATE_LIMIT_WRITES = 1
    client = client_of("read")
    assert [write(client), write(client)] == [403, 429]


def test_refused_request_counts(db: None, settings: Any) -> None:
    settings.RATE_LIMIT_ADDRESS_READS = 1
    assert [read(APIClient()) for _ in range(3)] == [401, 401, 401]
    settings.AUTH_REQUIRED = False
    assert [read(APIClient()) for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("path", ["health", "ready", "schema", "docs"])
def test_probes_and_documents_are_unlimited(db: None, settings: Any, path: str) -> None:
    settings.RATE_LIMIT_ADDRESS_READS = 1
    settings.AUTH_REQUIRED = False
    for _ in range(3):
        assert APIClient().get(f"/api/v1/{path}").status_code != 429
    assert not RateLimit.objects.exists()


def test_rate_limit_table_is_unlogged(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'access_ratelimit'")
        assert cursor.fetchone() == ("u",)


def test_last_use_is_stored_with_limits_and_without(
    client_of: Make, token: MakeToken, settings: Any
) -> None:
    for settings.RATE_LIMIT_READS in (0, 1):
        made, key = token()
        assert read(authorized_client(key)) == 200
        made.refresh_from_db()
        assert made.last_used_at is not None
        assert abs(timezone.now() - made.last_used_at) < timedelta(minutes=1)


def test_purge_deletes_expired_windows(client_of: Make, settings: Any, capsys: Any) -> None:
    settings.RATE_LIMIT_READS = 1
    client, later = client_of(), client_of()
    read(client)
    let_pass(61)
    read(later)
    call_command("purge")
    assert "deleted 1 rates of requests" in capsys.readouterr().out
    assert [read(client), read(later)] == [200, 429]
