"""Malformed requests of all kinds get a 4xx promptly, and memory does not grow."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import scaled
from tests.support.http_client import HttpClient, send_bytes
from tests.support.service import Service, running_service_on_tests_server

HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
STUDIES = b"/api/v1/studies"
TRIALS = b"/api/v1/studies/s/trials"
MANY = 100_000
HEAD = (
    b'{"name": "new", "search_space": [{"type": "float", "name": "x", "low": 0, "high": 1}],'
    b' "user_attrs": '
)


def get(target: bytes, *headers: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"".join(headers) + b"\r\n"


def post(body: bytes, target: bytes = STUDIES, *headers: bytes, length: object = None) -> bytes:
    said = str(len(body) if length is None else length).encode()
    head = b"POST " + target + b" HTTP/1.1\r\n" + HOST + JSON + b"".join(headers)
    return head + b"Content-Length: " + said + b"\r\n\r\n" + body


def chunked(body: bytes, target: bytes = STUDIES) -> bytes:
    head = b"POST " + target + b" HTTP/1.1\r\n" + HOST + JSON
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + body


# What each of them is answered is a 4xx; some of these gunicorn refuses, others the application.
REFUSED: dict[str, bytes] = {
    # The line and the headers
    "nothing but an end": b"\r\n\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100 + b"\r\n\r\n",
    "no version": b"GET /api/v1/health\r\n" + HOST + b"\r\n",
    "odd version": b"GET /api/v1/health HTTP/9.9\r\n" + HOST + b"\r\n",
    "odd method": b"G\0T /api/v1/health HTTP/1.1\r\n" + HOST + b"\r\n",
    "unknown method": b"BREW /api/v1/studies HTTP/1.1\r\n" + HOST + b"\r\n",
    "overlong line": get(b"/api/v1/" + b"a" * MANY),
    "overlong query": get(STUDIES + b"?limit=" + b"1" * 8000),
    "overlong header": get(STUDIES, b"X-Odd: " + b"a" * MANY + b"\r\n"),
    "many headers": get(STUDIES, *[b"X-%d: a\r\n" % n for n in range(1000)]),
    "NUL in a header": get(STUDIES, b"X-Odd: a\0b\r\n"),
    "NUL in a header's name": get(STUDIES, b"X-O\0dd: a\r\n"),
    "header without a colon": get(STUDIES, b"nonsense\r\n"),
    "folded header": get(STUDIES, b"X-Odd: a\r\n b\r\n"),
    "odd host": b"GET /api/v1/studies HTTP/1.1\r\nHost: \xff\xfe/..\r\n\r\n",
    "foreign host": b"GET /api/v1/studies HTTP/1.1\r\nHost: evil.example.org\r\n\r\n",
    # The path and the query
    "NUL in the path": get(STUDIES + b"/a\0b"),
    "quoted NUL in the path": get(STUDIES + b"/a%00b"),
    "odd bytes in the path": get(STUDIES + b"/\xff\xfe"),
    "quoted odd bytes in the path": get(STUDIES + b"/%ff%fe/trials"),
    "quoted surrogate in the path": get(STUDIES + b"/%ed%a0%80"),
    "odd quoting in the path": get(STUDIES + b"/%zz%"),
    "dots in the path": get(b"/api/v1/../../etc/passwd"),
    "huge number in the path": get(TRIALS + b"/" + b"9" * 4000),
    "NUL in the query": get(STUDIES + b"?limit=\0"),
    "quoted NUL in the query": get(TRIALS + b"?worker_id=a%00b"),
    "odd bytes in the query": get(TRIALS + b"?state=%ff%fe"),
    "quoted surrogate in the query": get(TRIALS + b"?state=%ed%a0%80"),
    "huge number in the query": get(STUDIES + b"?limit=" + b"9" * 3000),
    "many keys in the query": get(STUDIES + b"?" + b"a&" * 1900),
    "brackets in the query": get(TRIALS + b"?params=" + b"[" * 3000),
    # The body's length
    "length that is no number": post(b"{}", length="two"),
    "negative length": post(b"{}", length=-2),
    "signed length": post(b"{}", length="+2"),
    "quoted length": post(b"{}", length="2, 2"),
    "length of many digits": post(b"{}", length="9" * 5000),
    "length beyond the limit": post(b"{}", length=2**40),
    "two lengths": post(b"{}", STUDIES, b"Content-Length: 3\r\n"),
    "length in other digits": post(b"{}", length="²"),
    "cut body": post(b'{"name": ', length=100),
    "chunks": chunked(b"2\r\n{}\r\n0\r\n\r\n"),
    "broken chunk": chunked(b"zz\r\n{}\r\n0\r\n\r\n"),
    "cut chunk": chunked(b"ff\r\n{}"),
    "huge chunk": chunked(b"f" * 100 + b"\r\n{}"),
    "chunks and a length": post(
        b"2\r\n{}\r\n0\r\n\r\n", STUDIES, b"Transfer-Encoding: chunked\r\n"
    ),
    "unknown coding": post(b"{}", STUDIES, b"Transfer-Encoding: gzip, chunked\r\n"),
    "broken chunk of a form": chunked(b"zz\r\n", b"/admin/login/"),
    # The body
    "NUL": post(b"\0" * 1000),
    "odd bytes": post(b"\xff\xfe" * 500),
    "deep arrays": post(b"[" * MANY),
    "deep objects": post(b'{"a":' * MANY),
    "deep attributes": post(HEAD + b'{"a": ' + b"[" * MANY + b"]" * MANY + b"}}"),
    "number of a million digits": post(HEAD + b'{"a": ' + b"9" * 1_000_000 + b"}}"),
    "fraction of a million digits": post(HEAD + b'{"a": 1e' + b"9" * 1_000_000 + b"}}"),
    "repeated keys": post(b"{" + b'"a": 1, ' * MANY + b'"a": 1}'),
    "lone surrogate": post(HEAD + rb'{"a": "\ud800"}}'),
    "escaped NUL": post(HEAD + rb'{"a\u0000": 1}}'),
    "odd escape": post(HEAD + rb'{"a": "\x"}}'),
    "many unknown keys": post(b"{" + b",".join(b'"%d": 0' % n for n in range(80_000)) + b"}"),
    "odd media type": post(b"{}", STUDIES, b"Content-Type: \xff/\0\r\n"),
    "odd import": post(b"\0\n" * 1000, STUDIES + b"/import"),
    "too large": post(b" " * 2**21),
    "form without its token": post(b"a=" + b"%00%ff" * 1000, b"/admin/login/"),
}

MEGABYTES = 2**20
SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]


@pytest.fixture(scope="module")
def service(django_db_setup: None) -> Iterator[Service]:
    variables = {"WEB_WORKERS": "1", "WEB_THREADS": "2", "CLIENT_TIMEOUT": "3"}
    with running_service_on_tests_server(variables) as service:
        with HttpClient(service.port) as client:
            client.create_study(name="s", search_space=SPACE)
            client.suggest("s")
        yield service


def memory(service: Service) -> int:
    """Bytes of the processes that serve."""
    return sum(int(worker.memory_info().rss) for worker in service.web_workers())


def is_refusal(request: bytes, service: Service) -> bool:
    return 400 <= send_bytes(service.port, request).status < 500


def test_malformed_requests_are_refused_without_traces(service: Service) -> None:
    requests = REFUSED
    others = [name for name, each in requests.items() if not is_refusal(each, service)]
    before = memory(service)
    others += [name for name, each in requests.items() if not is_refusal(each, service)]
    assert others == []
    assert memory(service) - before < 50 * MEGABYTES
    with HttpClient(service.port) as client:
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
    answer = send_bytes(service.port, request)
    assert answer.status < 500, answer.text[:500]


@pytest.mark.accept
def test_random_bytes_are_never_a_server_error(service: Service) -> None:
    @settings(max_examples=scaled(2000, 100), **_QUICKLY)
    @given(_BYTES)
    def any_bytes(request: bytes) -> None:
        refute(service, request)

    @settings(max_examples=scaled(2000, 100), **_QUICKLY)
    @given(_TARGETS, _QUERIES, _BYTES)
    def any_body(target: bytes, query: bytes, body: bytes) -> None:
        refute(service, post(body, target + query))

    @settings(max_examples=scaled(2000, 100), **_QUICKLY)
    @given(_TARGETS, _QUERIES, _BYTES)
    def any_target(target: bytes, query: bytes, more: bytes) -> None:
        refute(service, get(target + b"/" + more + query))

    any_bytes()
    any_body()
    any_target()
    before = memory(service)
    any_bytes()
    any_body()
    any_target()
    assert memory(service) - before < 50 * MEGABYTES
    with HttpClient(service.port) as client:
        assert client.get("/health")["status"] == "healthy"
