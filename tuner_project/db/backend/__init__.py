"""Django's backend for PostgreSQL, with fewer network round trips."""
