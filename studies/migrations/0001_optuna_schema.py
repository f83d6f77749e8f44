from django.db import migrations

from optuna_bridge.storage.schema import create_optuna_schema


class Migration(migrations.Migration):
    """Optuna's tables, in their own schema of this database."""

    initial = True

    # Back again leaves them: they may hold studies that never were Django's.
    operations = [migrations.RunPython(create_optuna_schema, migrations.RunPython.noop)]
