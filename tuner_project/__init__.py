"""The frame of the service: the code that all apps share. It imports none of the apps.

An app registers what it adds to the frame in `AppConfig.ready()`: see `extensions`. Within the
frame, a module imports only from lines below its own in this list:

    management, command_line, apps, urls, wsgi, settings
    serving            gunicorn, its workers, overload, slow clients
    health, metrics_view, cleanup
    security           logins, content security policies, system checks, client addresses
    rest               problem documents, parsers, serializers, views, the OpenAPI document
    observability      request ids, logs, metrics, the stopwatch
    db                 the connection pool, prepared statements, database faults
    embedded_postgres, environment, extensions, errors, json_values

`settings` is the only module that names apps, because it assembles the service.
"""

__version__ = "0.2.0"
