"""`tuner agent` while the service is away: nothing that runs is ended, and nothing is lost."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import tuner
from tests.clients.python.agent_process import RESULT, running_agent, shell, wait_for_end
from tests.support.service import Service


class Proxy:
    """A proxy that can answer by itself instead of the service.

    Attributes:
        status: its own answer; None passes requests on.
        refused: the requests that it has answered itself.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.refused: list[str] = []
        self.url = ""


@contextmanager
def running_proxy(port: int) -> Iterator[Proxy]:
    proxy = Proxy()

    class Handler(BaseHTTPRequestHandler):
        def handle_request(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if proxy.status is not None:
                proxy.refused.append(self.path.rsplit("/", 1)[-1])
                self.answer(proxy.status, {"Content-Type": "text/html"}, b"<h1>no backend</h1>")
                return
            service = http.client.HTTPConnection("127.0.0.1", port)
            service.request(self.command, self.path, body, dict(self.headers))
            answer = service.getresponse()
            self.answer(answer.status, dict(answer.headers), answer.read())
            service.close()

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name in headers.keys() - {"Content-Length", "Transfer-Encoding", "Connection"}:
                self.send_header(name, headers[name])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = handle_request

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield proxy
        server.shutdown()


@pytest.mark.parametrize("status", [404, pytest.param(503, marks=pytest.mark.accept)])
def test_outage_ends_no_program_and_loses_no_result(
    url: str, service: Service, tmp_path: Path, status: int
) -> None:
    script = f"""
        echo $$ > pid; until [ -e away ]; do sleep 0.05; done
        echo '{{"step": 0, "value": 3}}' >> "$TUNER_REPORTS"
        until [ -e reported ]; do sleep 0.05; done
        {RESULT}
    """

    with tuner.Client(url) as client, running_proxy(service.port) as proxy:
        space = {"x": tuner.Float(0, 1)}
        study = client.create_study(f"outage-{status}", space=space, max_trials=1)
        environment = {"TUNER_URL": proxy.url}
        with running_agent(tmp_path, study.name, shell(script), (), environment) as agent:
            program = agent.wait_for("pid")
            proxy.status = status
            (tmp_path / "away").touch()
            agent.wait_until(lambda: "report" in proxy.refused, "refused")
            (tmp_path / "reported").touch()
            wait_for_end(program)
            n_refused = len(proxy.refused)
            agent.wait_until(lambda: len(proxy.refused) > n_refused, "refused again")
            proxy.status = None
            assert agent.wait() == 0, agent.log

        (trial,) = study.trials()
    assert (trial.state, trial.values, trial.intermediate_values) == ("COMPLETE", [0.5], {0: 3.0})
    assert (trial.attempt, trial.reoffers) == (1, 0)
