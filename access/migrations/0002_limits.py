from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="RateLimit",
            fields=[
                (
                    "key",
                    models.BigIntegerField(
                        help_text="A hash of whose it is, and of what.",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("arrives_at", models.DateTimeField()),
            ],
        ),
        # Written by every request, and worth nothing after a crash.
        migrations.RunSQL("ALTER TABLE access_ratelimit SET UNLOGGED", migrations.RunSQL.noop),
    ]
