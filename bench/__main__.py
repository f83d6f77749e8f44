"""make bench: measure, print the table, and write RESULTS.md and the plot."""

import argparse
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # as the service has it, for the peers too

import psycopg
from tqdm import tqdm

from bench import report, throughput
from bench.report import Section
from bench.servers import grpc_proxy, peers_url, service_url, set_up_django
from bench.throughput import Places
from tests.service import Service, running_service

_FULL: dict[str, Any] = {
    "trials": 400, "rounds": 3, "sizes": [100, 1000, 10_000], "alone": [1000, 5000, 10_000],
    "asks": 30, "small": 1000, "large": 100_000, "few": 100, "many": 1000, "each": 200,
    "spread": 1000, "cold": 20_000, "memory": 50_000,
}  # fmt: skip
_QUICK: dict[str, Any] = {
    "trials": 40, "rounds": 1, "sizes": [100, 300], "alone": [300],
    "asks": 5, "small": 300, "large": 2000, "few": 5, "many": 20, "each": 20,
    "spread": 100, "cold": 1000, "memory": 3000,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--rounds", type=int, help="of the throughput; 3")
    parser.add_argument(
        "--output", type=Path, help="folder of RESULTS.md and the plot; --quick writes none"
    )
    arguments = parser.parse_args()
    sizes = _QUICK if arguments.quick else _FULL
    if arguments.rounds:
        sizes = sizes | {"rounds": arguments.rounds}
    output = arguments.output or (None if arguments.quick else Path(__file__).parent)
    with running_service() as service:
        sections, latencies = _measure(service, sizes)
        postgresql = _settings(service)
    print(report.text(sections))
    if output is not None:
        (output / "RESULTS.md").write_text(report.markdown(sections, postgresql))
        report.plot(latencies.by_name, output / "ask_latency.svg")


def _measure(service: Service, sizes: dict[str, Any]) -> Any:
    set_up_django(service)
    from bench import asking, growth  # they need Django

    steps = sizes["rounds"] * 20 + len(sizes["sizes"]) + 4 * len(sizes["alone"]) + 9
    sections: list[Section] = []
    with ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=steps, smoothing=0))
        # First, while there are no other studies.
        listed = growth.lists_of_studies(
            service.port, sizes["few"], sizes["many"], sizes["each"], bar
        )
        proxy_url = peers_url(service, "proxied")
        raw_url = peers_url(service, "raw")
        port = stack.enter_context(grpc_proxy(proxy_url))
        places = Places(service.port, raw_url, proxy_url, port)
        sections += throughput.measure(places, sizes["trials"], sizes["rounds"], bar)
        asked, latencies = asking.ask_latency(
            service.port, service.optuna_url, sizes["sizes"], sizes["asks"], bar
        )
        sections += [
            asked,
            asking.sampler_alone(sizes["alone"], max(sizes["asks"] // 2, 3), bar),
            growth.requests(service.port, sizes["small"], sizes["large"], sizes["asks"], bar),
            listed,
            growth.many_studies(
                service.port, sizes["spread"], sizes["trials"] // 2, sizes["rounds"], bar
            ),
            growth.memory(sizes["memory"], bar),
        ]
    with tqdm(total=3) as bar:  # the proxy is gone: the service's server restarts
        sections.append(growth.cold_ask(service, sizes["cold"], 3, bar))
    return sections, latencies


def _settings(service: Service) -> dict[str, str]:
    names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
    with psycopg.connect(service_url(service)) as connection:
        return {name: _one(connection, name) for name in names}


def _one(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    return str(row[0]) if row else ""


if __name__ == "__main__":
    main()
