"""Studies in the admin: list, page, state changes, export, clone and deletion."""
