from django.db import migrations, models


class Migration(migrations.Migration):
    """Order infinite values like other numbers; the index is replaced by one with them."""

    dependencies = [
        ("trials", "0007_attempts"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="trial", name="trial_value"),
        migrations.AddIndex(
            model_name="trial",
            index=models.Index(
                models.F("study"),
                models.Case(models.When(values__0__lte=float("inf"), then=models.F("values__0"))),
                models.F("number"),
                name="trial_value",
            ),
        ),
    ]
