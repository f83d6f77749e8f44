"""Rolling upgrades: processes of the old version write to the new tables."""

from typing import Any

import pytest
from django.db.migrations import AddField, AlterField, CreateModel, DeleteModel, RemoveField
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RenameField, RenameModel
from django.db.models.fields import NOT_PROVIDED, CharField, Field

from tests.upgrade.test_migrations import HISTORY

# Up to here processes of before have to be stopped; docs/operations.md says so.
LAST_WITH_A_STOP = ("trials", "0004_listing_keys")
ROLLING = HISTORY[HISTORY.index(LAST_WITH_A_STOP) + 1 :]


@pytest.mark.parametrize("node", ROLLING, ids=".".join)
def test_old_processes_can_write(node: tuple[str, str]) -> None:
    loader = MigrationLoader(None)
    migration = loader.disk_migrations[node]
    before = loader.project_state(node, at_end=False).models
    new = {op.name_lower for op in migration.operations if isinstance(op, CreateModel)}
    for operation in migration.operations:
        if getattr(operation, "model_name_lower", "") in new:
            continue  # nothing was written to it before
        assert not isinstance(operation, DeleteModel | RemoveField | RenameField | RenameModel)
        if isinstance(operation, AddField | AlterField):
            field = operation.field
            if isinstance(operation, AlterField) and _is_wider(
                field, before[node[0], operation.model_name_lower].fields[operation.name]
            ):
                continue
            has_default = field.null or field.many_to_many or field.db_default is not NOT_PROVIDED
            assert has_default, f"{operation.model_name}.{operation.name} needs a db_default"


def _column(field: Field) -> tuple[str, dict[str, Any]]:
    """What the database knows of a field."""
    _, kind, _, options = field.deconstruct()
    return kind, {key: value for key, value in options.items() if key != "help_text"}


def _is_wider(field: Field, before: Field) -> bool:
    """Whether a column takes all that it took before."""
    if _column(field) == _column(before):
        return True
    if not (isinstance(field, CharField) and isinstance(before, CharField)):
        return False
    is_longer = (field.max_length or 0) >= (before.max_length or 0)
    return is_longer and field.null >= before.null and field.unique == before.unique
