"""The frame of the service: everything that the apps have in common. It knows none of the apps.

What an app adds to the frame it registers in `AppConfig.ready()`: see `extensions`. Imports within
the frame run one way, downwards in this list:

    management, apps, urls, wsgi, settings
    serving            gunicorn, its workers, overload, slow clients
    health, metrics_view, cleanup
    security           logins, content security policies, system checks, client addresses
    rest               problem documents, parsers, serializers, views, the OpenAPI document
    observability      request ids, logs, metrics, the stopwatch
    db                 the connection pool, prepared statements, faults of the database
    embedded_postgres, environment, extensions, errors, json_values

`settings` is the one module that names apps: it puts the service together.
"""

__version__ = "0.1.0"
