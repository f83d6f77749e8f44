"""The use cases: export, import, clone, adoption."""
