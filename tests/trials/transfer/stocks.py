"""Studies that stock Optuna made, and the command that brings them in."""

from io import StringIO
from typing import Any

import optuna
from django.core.management import call_command
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend


def new_stock_study(url: str, name: str = "stock", **options: Any) -> optuna.Study:
    storage: Any = url if "://" in url else JournalStorage(JournalFileBackend(url))
    return optuna.create_study(study_name=name, storage=storage, **options)


def close(study: optuna.Study) -> None:
    """Let go of the database, which would warn."""
    backend = getattr(study._storage, "_backend", None)
    if isinstance(backend, RDBStorage):
        backend.scoped_session.remove()
        backend.engine.dispose()


def bring_in(*arguments: str) -> str:
    output = StringIO()
    call_command("import_study", *arguments, stdout=output)
    return output.getvalue()
