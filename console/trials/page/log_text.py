"""The end of a log as plain text."""

import re

from trials.models import TrialLog

MAX_LINES = 200
MAX_CHARACTERS = 20_000

# Sequences by which programs colour and move what terminals show (ECMA-48), and other controls.
_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # as in \x1b[31m
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # a window's title, or a hyperlink
    r"|\x1b[ -/]*[0-~]"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)


def shown_log(log: TrialLog) -> str:
    """Return the last lines of a log without colours, as a terminal shows overwritten ones."""
    lines = _SEQUENCES.sub("", log.text).replace("\r\n", "\n").rstrip().split("\n")[-MAX_LINES:]
    shown = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines)
    return shown[-MAX_CHARACTERS:]
