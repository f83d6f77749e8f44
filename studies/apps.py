from django.apps import AppConfig


class StudiesConfig(AppConfig):
    name = "studies"

    def ready(self) -> None:
        import optuna

        from studies import receivers  # noqa: F401  (connect the signals)

        # Optuna's messages go where Django's logging sends them.
        optuna.logging.disable_default_handler()
        optuna.logging.enable_propagation()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
