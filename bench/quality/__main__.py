"""python -m bench.quality: run algorithms on the problems, and report their regret.

`run` continues where it was ended: what its file has is not run again. `report` reads such files.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path

from bench.quality import runs
from bench.quality.algorithms import PEERS
from bench.quality.problems import PROBLEMS
from bench.quality.runs import Setting

_RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    commands = parser.add_subparsers(required=True)
    running = commands.add_parser("run", help="run an algorithm: a sampler of ours, or a peer")
    running.add_argument("algorithm")
    running.add_argument("--problems", nargs="*", choices=PROBLEMS, default=list(PROBLEMS))
    running.add_argument("--seeds", type=int, default=10, help="how many")
    running.add_argument("--trials", type=int, default=200)
    running.add_argument("--parallel", type=int, nargs="*", default=[1, 8])
    running.add_argument("--processes", type=int, default=os.cpu_count())
    running.add_argument("--port", type=int, help="of a service that runs; else one is started")
    running.add_argument(
        "--busy", action="store_true", help="other work runs on this machine: keep no times"
    )
    running.add_argument("--output", type=Path, default=_RESULTS, help="folder of the results")
    running.set_defaults(command=_run)
    reporting = commands.add_parser("report", help="write the tables and the plot")
    reporting.add_argument("--results", type=Path, default=_RESULTS)
    reporting.add_argument("--output", type=Path, help="folder of QUALITY.md and the plot")
    reporting.set_defaults(command=_report)
    arguments = parser.parse_args()
    arguments.command(arguments)


def _run(arguments: argparse.Namespace) -> None:
    arguments.output.mkdir(parents=True, exist_ok=True)
    file = arguments.output / f"{arguments.algorithm}.jsonl"
    done = {each.setting for each in runs.read([file] if file.exists() else [])}
    wanted = (
        Setting(arguments.algorithm, problem, seed, parallel, arguments.trials)
        for seed, parallel, problem in product(
            range(arguments.seeds), arguments.parallel, arguments.problems
        )
    )
    left = [each for each in wanted if each not in done]
    with _service(arguments), ProcessPoolExecutor(arguments.processes) as pool:
        futures = {pool.submit(runs.run, each): each for each in left}
        for future in as_completed(futures):
            result = future.result()
            runs.write(replace(result, seconds={}) if arguments.busy else result, file)
            print(f"{result.setting}: {result.curve[-1]:.5g}", file=sys.stderr)


@contextmanager
def _service(arguments: argparse.Namespace) -> Iterator[None]:
    """Let the algorithms find a service, unless it is a peer that needs none."""
    if arguments.algorithm in PEERS:
        yield
    elif arguments.port:
        os.environ["QUALITY_PORT"] = str(arguments.port)
        yield
    else:
        from bench.service import running_service

        with running_service() as service:
            os.environ["QUALITY_PORT"] = str(service.port)
            yield


def _report(arguments: argparse.Namespace) -> None:
    from bench.quality import report

    results = list(runs.read(sorted(arguments.results.glob("*.jsonl"))))
    print(report.text(results))
    if arguments.output is not None:
        report.write(results, arguments.output)


if __name__ == "__main__":
    main()
