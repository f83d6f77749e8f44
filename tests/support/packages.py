"""The packages of the service, as pyproject.toml lists them."""

import tomllib

from tests.support import ROOT

_project = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = _project["tool"]["hatch"]["build"]["only-include"]
