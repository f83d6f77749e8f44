"""The door to Optuna's storage, which lies in a schema of its own in Django's database.

`dialect`: SQLAlchemy on Django's connection. `storage`: Optuna's RDBStorage on it. `schema`:
creating and checking Optuna's tables. `projection`: from Django's rows to Optuna's.
"""

SCHEMA = "optuna"
