import re

import pytest

from tests.support import ROOT


@pytest.fixture(scope="session")
def documented_variables() -> set[str]:
    """The variables of the service, all of which are in .env.example."""
    text = (ROOT / ".env.example").read_text()
    return set(re.findall(r"^# ([A-Z][A-Z0-9_]*)=", text, flags=re.MULTILINE))
