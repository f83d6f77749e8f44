from django.db import migrations

_ADD = "ALTER TABLE {0} ADD CONSTRAINT {0}_{1} FOREIGN KEY ({1}) REFERENCES {2} ON DELETE CASCADE"
_DROP = "ALTER TABLE {0} DROP CONSTRAINT {0}_{1}"


def _cascade(table: str, column: str, parent: str) -> migrations.RunSQL:
    arguments = (table, column, parent)
    return migrations.RunSQL(_ADD.format(*arguments), _DROP.format(*arguments))


class Migration(migrations.Migration):
    """A study's deletion takes its trials along in the database itself: Django's own cascade
    would read them all first."""

    dependencies = [("trials", "0001_initial")]

    operations = [
        _cascade("trials_trial", "study_id", "studies_study"),
        _cascade("trials_intermediatevalue", "trial_id", "trials_trial"),
    ]
