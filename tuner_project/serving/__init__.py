"""gunicorn's configuration, and its worker class with bounded queues."""
