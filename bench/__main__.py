"""make bench: measure, print the table, and write RESULTS.md and the plot."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # as the service has it, for the peers too

NEEDED = ("grpc", "google.protobuf", "httpx2", "matplotlib", "psutil", "urllib3", "tqdm")
# The client of the checkout, which is not installed.
sys.path.insert(0, str(Path(__file__).parents[1] / "clients/python/src"))
POSTGRESQL = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
FAMILIES = (
    "lists",
    "throughput",
    "workers",
    "floor",
    "turns",
    "client",
    "latency",
    "sampler",
    "gp",
    "requests",
    "studies",
    "memory",
    "cold",
)


def main() -> None:
    arguments = _arguments()
    if missing := [name for name in NEEDED if not _is_there(name)]:
        sys.exit(f"error: {', '.join(missing)} not installed: `make bench` installs what is needed")
    for number in (signal.SIGTERM, signal.SIGHUP):  # what was started is ended, too
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        _run(arguments)
    except KeyboardInterrupt:
        sys.exit(130)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--only", help=f"comma-separated, of {', '.join(FAMILIES)}")
    parser.add_argument("--rounds", type=int, help="of what is measured in rounds; 3")
    parser.add_argument(
        "--database-url",
        help="a PostgreSQL server to make databases on, for the time; else an embedded one",
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="folder of RESULTS.md and the plot; with --quick or --only, none if not given",
    )
    arguments = parser.parse_args()
    only = arguments.only.split(",") if arguments.only else list(FAMILIES)
    if unknown := set(only) - set(FAMILIES):
        parser.error(f"--only: no {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}")
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("--rounds: at least 1")
    if arguments.output is None and not arguments.quick and not arguments.only:
        arguments.output = Path(__file__).parent
    arguments.families = [family for family in FAMILIES if family in only]
    return arguments


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _run(arguments: argparse.Namespace) -> None:
    import optuna
    import psycopg

    from bench import report
    from bench.servers import ground, set_up_django
    from bench.sizes import FULL, QUICK

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sizes = QUICK if arguments.quick else FULL
    if arguments.rounds:
        sizes = replace(sizes, rounds=arguments.rounds)
    if arguments.database_url:
        try:
            psycopg.connect(arguments.database_url).close()
        except psycopg.Error as error:
            sys.exit(f"error: --database-url: {' '.join(str(error).split())}")
    with ground(arguments.database_url) as place:
        set_up_django(place.url)
        machine = report.machine(place.settings(*POSTGRESQL))
        sections: list[Any] = []
        for measured in _measure(arguments.families, place, sizes):
            sections += measured
            if arguments.output is not None:  # now, so that a later failure does not lose it
                report.write(sections, machine, arguments.output)
        _close()
    print(report.text(sections))


def _measure(families: list[str], place: Any, sizes: Any) -> Iterator[list[Any]]:
    """Yield the sections of each family."""
    from tqdm import tqdm

    # These need Django set up.
    from bench.measurements import (
        ask_latency,
        client_overhead,
        cold_start,
        floor,
        many_workers,
        sampler_alone,
        scaling,
        throughput,
        turns,
    )

    # Each with the number of its steps. The lists come first, while there are no other studies.
    measurements: dict[str, tuple[Callable[..., list[Any]], int]] = {
        "lists": (scaling.lists_of_studies, 2),
        "throughput": (throughput.measure, throughput.n_runs(sizes)),
        "workers": (many_workers.measure, sizes.rounds * many_workers.N_RUNS),
        "floor": (floor.measure, 2 * sizes.rounds),
        "turns": (turns.measure, 2 + 2 * sizes.rounds),
        "client": (client_overhead.measure, 1),
        "latency": (ask_latency.asks_over_http, len(sizes.asked_at)),
        "sampler": (sampler_alone.tpe, 4 * len(sizes.alone_at)),
        "gp": (sampler_alone.gp, len(sizes.gp_at)),
        "requests": (scaling.requests, 3),
        "studies": (scaling.many_studies, 2 * sizes.rounds),
        "memory": (cold_start.memory, 1),
        "cold": (cold_start.cold_asks, sizes.cold_starts),
    }
    with tqdm(total=sum(measurements[family][1] for family in families), smoothing=0) as bar:
        for family in families:
            measure, _ = measurements[family]
            yield measure(place, sizes, bar)


def _close() -> None:
    from tuner_project.db.database import close_pool

    close_pool()


if __name__ == "__main__":
    main()
