"""What gunicorn runs: its configuration, and a worker with bounded queues."""
