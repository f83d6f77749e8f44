"""Whatever bytes come, the answer is a 4xx, soon, and the service grows by nothing much."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.raw_http import exchange
from tests.service import Client, Service, running_service, scaled
from tests.tuner_project import malformed

MEGABYTES = 2**20
SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    variables = {"WEB_WORKERS": "1", "WEB_THREADS": "2", "CLIENT_TIMEOUT": "3"}
    with running_service(variables) as service:
        with Client(service.port) as client:
            client.create_study(name="s", search_space=SPACE)
            client.suggest("s")
        yield service


def memory(service: Service) -> int:
    """Bytes of the processes that serve."""
    return sum(int(worker.memory_info().rss) for worker in service.web_workers())


def is_refusal(request: bytes, service: Service) -> bool:
    return 400 <= exchange(service.port, request).status < 500


def test_malformed_requests_are_refused_and_leave_nothing(service: Service) -> None:
    requests = malformed.REFUSED
    others = [name for name, each in requests.items() if not is_refusal(each, service)]
    before = memory(service)
    others += [name for name, each in requests.items() if not is_refusal(each, service)]
    assert others == []
    assert memory(service) - before < 50 * MEGABYTES
    with Client(service.port) as client:
        assert [study["study_name"] for study in client.get("/studies")] == ["s"]
        assert client.get("/health")["status"] == "healthy"


# Pieces of requests, whole and broken, in any order.
_PIECES = st.one_of(
    st.binary(max_size=50),
    st.sampled_from(
        [
            *(b"GET ", b"POST ", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"\r\n", b"\n", b"\r", b"\0"),
            *(b"Host: localhost\r\n", b"Content-Type: application/json\r\n", b"\r\n\r\n"),
            *(
                b"Content-Length: 5\r\n",
                b"Content-Length: 99999999999\r\n",
                b"Connection: close\r\n",
            ),
            *(b"Transfer-Encoding: chunked\r\n", b"5\r\nabcde\r\n", b"0\r\n\r\n", b"ffffffff\r\n"),
            *(
                b"/api/v1/studies",
                b"/api/v1/studies/s/trials",
                b"/suggest",
                b"?limit=",
                b"%00",
                b"%ff",
            ),
            *(b"{", b"}", b"[" * 1000, b'"', b"\\ud800", b"\\u0000", b"9" * 500, b"1e999", b"NaN"),
            *(b'{"name": ', b'"search_space": ', b'{"params": {"x": ', b"\xff", b"\xed\xa0\x80"),
        ]
    ),
)
_BYTES = st.lists(_PIECES, max_size=30).map(b"".join)
_TARGETS = st.sampled_from(
    [b"/api/v1/studies", b"/api/v1/studies/s/trials", b"/api/v1/studies/import", b"/admin/login/"]
)
_QUERIES = st.one_of(st.just(b""), st.binary(max_size=30).map(lambda text: b"?" + text))
_QUICKLY: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def refute(service: Service, request: bytes) -> None:
    """No 5xx, and no hanging. What happens to be right is allowed."""
    answer = exchange(service.port, request)
    assert answer.status < 500, answer.text[:500]


@pytest.mark.accept
def test_random_bytes_are_never_a_failure(service: Service) -> None:
    @settings(max_examples=scaled(2000, 100), **_QUICKLY)
    @given(_BYTES)
    def any_bytes(request: bytes) -> None:
        refute(service, request)

    @settings(max_examples=scaled(2000, 100), **_QUICKLY)
    @given(_TARGETS, _QUERIES, _BYTES)
    def any_body(target: bytes, query: bytes, body: bytes) -> None:
        refute(service, malformed.post(body, target + query))

    @settings(max_examples=scaled(2000, 100), **_QUICKLY)
    @given(_TARGETS, _QUERIES, _BYTES)
    def any_target(target: bytes, query: bytes, more: bytes) -> None:
        refute(service, malformed.get(target + b"/" + more + query))

    any_bytes()
    any_body()
    any_target()
    before = memory(service)
    any_bytes()
    any_body()
    any_target()
    assert memory(service) - before < 50 * MEGABYTES
    with Client(service.port) as client:
        assert client.get("/health")["status"] == "healthy"
