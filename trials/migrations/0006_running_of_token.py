from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """While others ask and tell: that needs no transaction around it."""

    atomic = False

    dependencies = [
        ("trials", "0005_tokens"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="trial",
            index=models.Index(
                condition=models.Q(("state", "RUNNING"), ("token__isnull", False)),
                fields=["token"],
                name="trial_of_token",
            ),
        ),
    ]
