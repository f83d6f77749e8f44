"""A server whose answers a test has chosen, one for each request, in order."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """An answer; a status of 0 closes the connection without one."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class FaultyServer:
    """Its address, and the method and path of the requests that it has received."""

    url: str
    requests: list[tuple[str, str]]
    headers: list[dict[str, str]]


@contextmanager
def faulty_server(*answers: Answer) -> Iterator[FaultyServer]:
    left = list(answers)
    server = FaultyServer("", [], [])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.requests.append((self.command, self.path))
            server.headers.append(dict(self.headers))
            answer = left.pop(0)
            if answer.status == 0:
                self.close_connection = True
                self.connection.close()
                return
            text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            self.send_response_only(answer.status)
            for name, value in {"Content-Length": str(len(text)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_DELETE = do_PATCH = answer

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server.url = f"http://127.0.0.1:{http.server_port}"
        threading.Thread(target=http.serve_forever, args=[0.01], daemon=True).start()
        try:
            yield server
        finally:
            http.shutdown()
