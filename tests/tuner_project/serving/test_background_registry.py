"""Which commands `serve` runs in the background; tests/accept runs them."""

from django.core.management import get_commands, load_command_class

from tuner_project import extensions


def test_background_commands_can_be_started_as_serve_does() -> None:
    assert sorted(extensions.BACKGROUND_COMMANDS) == [("deliver_events", 2), ("expire_trials", 10)]
    for name, every in extensions.BACKGROUND_COMMANDS:
        app = get_commands()[name]
        parser = load_command_class(str(app), name).create_parser("manage.py", name)
        options = parser.parse_args([f"--every={every:g}", "--parent=1"])
        assert (options.every, options.parent) == (every, 1)
