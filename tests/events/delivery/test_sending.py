"""Sending to receivers of every kind, which are real servers on this machine."""

import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from events.delivery import sending
from events.delivery.sending import Outcome, send
from tests.support.receivers import raw_server, running_receiver, unused_port

HEADERS = {"Content-Type": "application/json", "webhook-id": "msg_1"}


@pytest.fixture(autouse=True)
def _allow_this_machine(settings: Any) -> None:
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1", "localhost", "receiver.example"]


def post(url: str, timeout: float = 5) -> Outcome:
    return send(url, HEADERS, b'{"a":1}', timeout)


def test_receiver_gets_the_request_as_it_is() -> None:
    with running_receiver(status=204) as receiver:
        outcome = post(receiver.url)
    assert (outcome, outcome.is_success) == (Outcome(204), True)
    [received] = receiver.received
    assert (received.path, received.body) == ("/hook?key=a%20b", b'{"a":1}')
    assert received.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert received.headers["content-type"] == "application/json"


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
def test_error_is_a_failure(status: int) -> None:
    with running_receiver(status=status) as receiver:
        outcome = post(receiver.url)
    assert (str(outcome), outcome.is_success) == (f"the answer was {status}", False)
    assert outcome.is_gone == (status == 410)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(status: int) -> None:
    with running_receiver() as target, running_receiver(status=status) as receiver:
        receiver.location = target.url
        outcome = post(receiver.url)
    assert str(outcome) == f"the answer was {status}, and redirects are not followed"
    assert (outcome.is_success, len(receiver.received), target.received) == (False, 1, [])


def test_receiver_that_does_not_answer_in_time_fails() -> None:
    with running_receiver(seconds=1.5) as receiver:
        began = time.monotonic()
        outcome = post(receiver.url, timeout=0.3)
        assert time.monotonic() - began < 1
    assert str(outcome) == "no answer within 0.3 s"


def drip(parts: list[bytes], pause: float, connection: socket.socket) -> None:
    for part in parts:
        connection.sendall(part)
        time.sleep(pause)


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: "], ids=["status line", "header"]
)
def test_receiver_that_drips_is_cut_off(head: bytes) -> None:
    """Each byte arrives in time, and all of them do not."""
    parts = [head or b"H", *[b"x"] * 100]
    with raw_server(lambda connection: drip(parts, 0.05, connection)) as port:
        began = time.monotonic()
        outcome = post(f"http://127.0.0.1:{port}/", timeout=0.4)
        assert time.monotonic() - began < 1
    assert str(outcome) == "no answer within 0.4 s"


def test_body_of_the_answer_is_not_read() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    with raw_server(lambda connection: drip([head, *[b"x" * 1000] * 20], 0.05, connection)) as port:
        began = time.monotonic()
        assert post(f"http://127.0.0.1:{port}/").is_success
        assert time.monotonic() - began < 0.5


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n",
        b"220 smtp.example.org ESMTP\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 99999 ?\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Header: x\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-Header: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    ],
    ids=["nothing", "empty", "smtp", "words", "number", "headers", "long", "continue"],
)
def test_answer_that_is_no_http_is_a_failure(answer: bytes) -> None:
    with raw_server(lambda connection: connection.sendall(answer)) as port:
        outcome = post(f"http://127.0.0.1:{port}/")
    assert (outcome.status, outcome.is_success) == (None, False)
    assert 0 < len(str(outcome)) <= 300


def test_refused_connection_is_a_failure() -> None:
    outcome = post(f"http://127.0.0.1:{unused_port()}/")
    assert str(outcome).startswith("ConnectionRefusedError")


def test_private_address_is_not_connected_to(settings: Any) -> None:
    settings.WEBHOOK_ALLOWED_HOSTS = []
    with running_receiver() as receiver:
        for host in ("127.0.0.1", "127.1", "localhost", "[::ffff:127.0.0.1]"):
            outcome = post(f"http://{host}:{receiver.port}/")
            assert "is at an address that is not public: see WEBHOOK_ALLOWED_HOSTS" in str(outcome)
    assert receiver.received == []


def test_address_that_was_checked_is_the_one_that_is_connected_to(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers with a public address first, and then with this machine's."""
    settings.WEBHOOK_ALLOWED_HOSTS = []
    answers = iter(["93.184.216.34", *["127.0.0.1"] * 9])
    connected = []

    def look_up(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if host[0].isdigit():  # asyncio and socket look up addresses, too
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def connect(address: tuple[str, int], *args: Any) -> Any:
        connected.append(address[0])
        raise ConnectionRefusedError("it was about to connect")

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    monkeypatch.setattr("socket.create_connection", connect)
    with running_receiver() as receiver:
        outcome = post(f"http://rebinding.example:{receiver.port}/")
    assert str(outcome) == "ConnectionRefusedError: it was about to connect"
    assert connected == ["93.184.216.34"]


def test_name_server_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def look_up(*args: Any, **kwargs: Any) -> list[Any]:
        time.sleep(0.8)
        return []

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    began = time.monotonic()
    outcome = post("http://receiver.example/", timeout=0.2)
    assert time.monotonic() - began < 0.6
    assert str(outcome) == "no answer within 0.2 s"


def test_second_address_is_tried_if_the_first_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [(2, 1, 6, "", (each, 0)) for each in ("127.0.0.2", "127.0.0.1")]
    with running_receiver() as receiver:
        real = socket.getaddrinfo
        monkeypatch.setattr(
            "socket.getaddrinfo",
            lambda host, *args, **kwargs: (
                answer if host == "receiver.example" else real(host, *args, **kwargs)
            ),
        )
        assert post(f"http://receiver.example:{receiver.port}/").is_success
    assert receiver.received[0].headers["host"] == f"receiver.example:{receiver.port}"


def test_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_receiver() as proxy, running_receiver() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert post(receiver.url).is_success
    assert (len(receiver.received), proxy.received) == (1, [])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1, with its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    key, path = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "1", "-subj", "/CN=receiver", "-keyout", key, "-out", path),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + key.read_text())
    return path


def test_receiver_by_tls_needs_a_certificate_that_is_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with running_receiver(context) as receiver:
        assert "CERTIFICATE_VERIFY_FAILED" in str(post(receiver.url))
        assert receiver.received == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        sending._context.cache_clear()
        try:
            assert post(receiver.url).is_success
            assert "Hostname mismatch" in str(post(receiver.url.replace("127.0.0.1", "localhost")))
        finally:
            sending._context.cache_clear()
    assert len(receiver.received) == 1


def test_tls_with_a_receiver_that_says_nothing_ends_in_time() -> None:
    with raw_server(lambda connection: time.sleep(1)) as port:
        began = time.monotonic()
        outcome = post(f"https://127.0.0.1:{port}/", timeout=0.3)
        assert time.monotonic() - began < 0.9
    assert str(outcome) == "no answer within 0.3 s"
