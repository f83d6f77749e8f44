"""deploy/nginx/tuner.conf in this machine's nginx, before a service that answers every request.

The parameter `resolve` of upstreams is removed here: Debian's nginx may be too old for it, and the
host names that it resolves exist in Compose only.
"""

import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import urllib3

from tests.support import ROOT
from tests.support.http_client import free_port
from tuner_project.rest.problems import problem
from tuner_project.settings import MAX_BODY_BYTES, MAX_IMPORT_BYTES

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")

IMPORT = "/api/v1/studies/import"
MAIN = """
daemon off;
{user}
pid {folder}/pid;
error_log {folder}/errors.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/tuner.conf;
}}
"""


class Service(BaseHTTPRequestHandler):
    """Answers with the head that came, to an import without waiting for its body."""

    def do_POST(self) -> None:
        if self.path != IMPORT:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


def configuration(port: int, service: int) -> str:
    text = (ROOT / "deploy" / "nginx" / "tuner.conf").read_text()
    text = re.sub(r"server tuner-\d:8000 resolve", f"server 127.0.0.1:{service}", text)
    return text.replace("listen 8080;", f"listen 127.0.0.1:{port};")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    user = "user root;" if tmp_path.owner() == "root" else ""
    (tmp_path / "nginx.conf").write_text(MAIN.format(folder=tmp_path, user=user))
    return tmp_path


def run(folder: Path, port: int, text: str) -> Iterator[str]:
    (folder / "tuner.conf").write_text(text)
    command = ["nginx", "-c", f"{folder}/nginx.conf", "-e", f"{folder}/errors.log"]
    with subprocess.Popen(command) as process:
        try:
            deadline = time.monotonic() + 60
            while not listens(port):
                assert process.poll() is None, (folder / "errors.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def nginx(folder: Path, service: int) -> Iterator[str]:
    port = free_port()
    yield from run(folder, port, configuration(port, service))


@pytest.fixture
def nginx_behind_another(folder: Path, service: int) -> Iterator[str]:
    """As its comment says where another proxy ends TLS."""
    port = free_port()
    head, server = configuration(port, service).split("\nserver {")
    head = re.sub(r"(?m)^# (map |    |\}$)", r"\1", head)
    server = server.replace("X-Forwarded-Proto $scheme;", "X-Forwarded-Proto $client_scheme;")
    yield from run(folder, port, f"{head}\nserver {{{server}")


def said(nginx: str, **headers: str) -> dict[str, str]:
    """What the service was told when a client sent these headers."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer: dict[str, str] = urllib3.request("GET", f"{nginx}/api/v1/studies", headers=sent).json()
    return answer


def test_proxy_replaces_forwarded_headers_of_the_client(nginx: str) -> None:
    told = said(nginx, X_Forwarded_Proto="https", X_Forwarded_For="192.0.2.1", Host="tuner.test")
    assert told["X-Forwarded-Proto"] == "http"
    assert told["X-Forwarded-For"] == "192.0.2.1, 127.0.0.1"  # the last is what counts
    assert told["Host"] == "tuner.test"


def test_proxy_trusts_a_tls_proxy_where_the_map_is_used(
    nginx_behind_another: str,
) -> None:
    for claimed, told in (("https", "https"), ("http", "http"), ("gopher", "http")):
        seen = said(nginx_behind_another, X_Forwarded_Proto=claimed)
        assert seen["X-Forwarded-Proto"] == told
    assert said(nginx_behind_another)["X-Forwarded-Proto"] == "http"


def test_too_large_body_is_refused_before_it_is_read(nginx: str) -> None:
    for path, limit in (
        ("/api/v1/studies", MAX_BODY_BYTES),
        (IMPORT, MAX_IMPORT_BYTES),
    ):
        answer = send_head(nginx, path, limit + 1)
        assert answer.status == 413
        assert answer.getheader("Content-Type") == "application/problem+json"
        document = json.loads(answer.read())
        assert document == problem(413, "body_too_large", document["detail"])


def test_largest_body_is_proxied(nginx: str) -> None:
    answer = urllib3.request("POST", f"{nginx}/api/v1/studies", body=b" " * MAX_BODY_BYTES)
    assert answer.json()["Content-Length"] == str(MAX_BODY_BYTES)


def test_import_reaches_the_service_before_its_file_is_sent(nginx: str) -> None:
    assert send_head(nginx, IMPORT, 2**20 + 1).status == 200


def test_metrics_are_not_public(nginx: str) -> None:
    assert urllib3.request("GET", f"{nginx}/metrics").status == 404


def send_head(nginx: str, path: str, length: int) -> HTTPResponse:
    """The answer to a request of which nothing comes but the head."""
    host, port = nginx.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        head = f"POST {path} HTTP/1.1\r\nHost: tuner\r\nContent-Length: {length}\r\n\r\n"
        client.sendall(head.encode())
        answer = HTTPResponse(client)
        answer.begin()
        return answer
