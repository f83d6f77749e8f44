"""Optuna's RDBStorage inside Django's transactions."""

from typing import Any

from optuna.storages import RDBStorage
from sqlalchemy.orm import scoped_session, sessionmaker

from optuna_bridge.storage import SCHEMA
from optuna_bridge.storage.dialect import URL, engine


class DjangoStorage(RDBStorage):
    """Optuna's RDBStorage on Django's connection, in the database schema `optuna`.

    It neither creates tables nor checks their version, as Optuna does at construction: the module
    `schema` does. So constructing it needs no database.
    """

    def __init__(self) -> None:
        # Replaces RDBStorage.__init__, which runs _VersionManager; sets the same attributes.
        self.url = URL
        self.engine_kwargs: dict[str, Any] = {}
        self.skip_compatibility_check = True
        self.heartbeat_interval = None
        self.grace_period = None
        self.heartbeat_stale_trial_callback = None
        self.failed_trial_callback = None
        self._connect()

    def _connect(self) -> None:
        self.engine = engine(SCHEMA)
        self.scoped_session = scoped_session(sessionmaker(bind=self.engine))

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["scoped_session"], state["engine"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._connect()
