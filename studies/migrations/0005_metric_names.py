from django.db import migrations

import tuner_project.db.fields

# Imports stored the names with the first trial, among the attributes that samplers set.
_TAKE_FROM_TRIALS = """
UPDATE studies_study AS s SET metric_names = t.study_attrs->'study:metric_names'
  FROM trials_trial AS t
 WHERE t.study_id = s.id AND t.study_attrs->'study:metric_names' IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("studies", "0004_attempts"),
        ("trials", "0007_attempts"),
    ]

    operations = [
        migrations.AddField(
            model_name="study",
            name="metric_names",
            field=tuner_project.db.fields.PlainJSONField(
                help_text="A list with the name of each objective; null: they have none.",
                null=True,
            ),
        ),
        migrations.RunSQL(_TAKE_FROM_TRIALS, migrations.RunSQL.noop),
    ]
