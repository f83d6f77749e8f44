"""YAML as people mean it: its core schema (1.2), where `1e-5` is a number, and `on` a text."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from tuner.errors import ConfigurationError, TunerError

_RESOLVERS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?[0-9]+[eE][-+]?[0-9]+", list("-+0123456789")),
)


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds.

    Raises:
        ConfigurationError: it is not YAML, or has a key twice.
    """
    yaml = _import_yaml()
    with path.open("rb") as file:
        try:
            return yaml.load(file, _make_loader(yaml))
        except (yaml.YAMLError, ValueError) as error:
            raise ConfigurationError(f"{path} is not YAML: {error}") from error


def write_yaml(value: Any) -> str:
    """Return a value as YAML."""
    yaml = _import_yaml()
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True)).rstrip("\n")


def _import_yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise TunerError("this needs PyYAML: pip install 'tuner-client[cli]'") from error
    return yaml


def _make_loader(yaml: Any) -> Any:
    class Loader(yaml.SafeLoader):
        """PyYAML's loader knows YAML 1.1 only, where `1e-5` is a text and `on` is true."""

        yaml_implicit_resolvers: dict[str, Any] = {}

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
            if len(mapping) < len(node.value):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is there twice", node.start_mark
                )
            return mapping

    for name, pattern, first in _RESOLVERS:
        Loader.add_implicit_resolver(
            f"tag:yaml.org,2002:{name}", re.compile(f"(?:{pattern})$"), first
        )
    return Loader
