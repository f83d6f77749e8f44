"""What stock Optuna reads of a service's studies."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import optuna
from optuna.storages import RDBStorage

from tests.service import Service

if TYPE_CHECKING:
    from tests.accept.replicas import Cluster


@contextmanager
def stock_storage(service: "Service | Cluster") -> Iterator[RDBStorage]:
    storage = RDBStorage(service.optuna_url)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def load_study(storage: RDBStorage, name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=storage)
