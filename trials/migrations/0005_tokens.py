from django.db import migrations, models

# In a function each statement sees what was committed before it: here, what the token's last ask
# has left when the lock is free.
_CREATE = """
CREATE FUNCTION trials_running_of_token(asking bigint, at_most integer) RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(19087, (asking % 2147483647)::integer);
    RETURN (SELECT count(*) FROM (
        SELECT FROM trials_trial WHERE token = asking AND state = 'RUNNING' LIMIT at_most
    ) AS running);
END $$
"""
_DROP = "DROP FUNCTION trials_running_of_token"


class Migration(migrations.Migration):
    dependencies = [
        ("trials", "0004_listing_keys"),
    ]

    operations = [
        migrations.AddField(
            model_name="trial",
            name="token",
            field=models.BigIntegerField(
                help_text="The id of the token that asked for it.", null=True
            ),
        ),
        migrations.RunSQL(_CREATE, _DROP),
    ]
