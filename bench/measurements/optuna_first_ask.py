"""Print the seconds of raw Optuna's first ask.

Usage: python -m bench.measurements.optuna_first_ask URL STUDY
"""

import sys
import time

import optuna
import psycopg  # noqa: F401

from bench.peers import stock_sampler
from bench.space import DISTRIBUTIONS


def main(url: str, name: str) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    optuna.storages.RDBStorage("sqlite://")  # what is imported on first use
    begun = time.perf_counter()
    study = optuna.load_study(study_name=name, storage=url, sampler=stock_sampler("tpe"))
    study.ask(DISTRIBUTIONS)
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main(*sys.argv[1:])
