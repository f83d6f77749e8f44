"""Rolling upgrades: processes of the old version write to the new tables."""

import pytest
from django.db.migrations import AddField, AlterField, CreateModel, DeleteModel, RemoveField
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RenameField, RenameModel
from django.db.models.fields import NOT_PROVIDED

from tests.upgrade.test_migrations import HISTORY

# Up to here processes of before have to be stopped; docs/operations.md says so.
LAST_WITH_A_STOP = ("trials", "0004_listing_keys")
ROLLING = HISTORY[HISTORY.index(LAST_WITH_A_STOP) + 1 :]


@pytest.mark.parametrize("node", ROLLING, ids=".".join)
def test_old_processes_can_write(node: tuple[str, str]) -> None:
    migration = MigrationLoader(None).disk_migrations[node]
    new = {op.name_lower for op in migration.operations if isinstance(op, CreateModel)}
    for operation in migration.operations:
        if getattr(operation, "model_name_lower", "") in new:
            continue  # nothing was written to it before
        assert not isinstance(operation, DeleteModel | RemoveField | RenameField | RenameModel)
        if isinstance(operation, AddField | AlterField):
            field = operation.field
            has_default = field.null or field.many_to_many or field.db_default is not NOT_PROVIDED
            assert has_default, f"{operation.model_name}.{operation.name} needs a db_default"
