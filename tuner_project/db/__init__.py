"""The database: connections, prepared statements, model fields, faults, readiness."""
