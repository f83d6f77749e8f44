"""Access to Optuna's storage, which has its own schema in Django's database.

- `dialect`: SQLAlchemy on Django's connection.
- `storage`: Optuna's RDBStorage on that dialect.
- `schema`: creating and checking Optuna's tables; `upgrade`: migrating them.
- `projected_table`: Optuna's tables as queries over Django's.
"""

SCHEMA = "optuna"
