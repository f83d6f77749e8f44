from django.apps import AppConfig


class StudiesConfig(AppConfig):
    name = "studies"

    def ready(self) -> None:
        import optuna

        from studies import receivers  # noqa: F401  (connect the signals)
        from studies.domain import auditing  # noqa: F401  (connect the signals)
        from studies.domain.defaults import check_defaults

        check_defaults()
        # Optuna's messages go where Django's logging sends them.
        optuna.logging.disable_default_handler()
        optuna.logging.enable_propagation()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
