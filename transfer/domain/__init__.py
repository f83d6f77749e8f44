"""Use cases: export, import, clone, adoption."""
