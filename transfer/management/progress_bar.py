"""A progress bar for commands."""

from collections.abc import Iterable, Iterator

from tqdm import tqdm


def with_bar(
    lines: Iterable[bytes], *, total: int | None, in_bytes: bool, is_wanted: bool
) -> Iterator[bytes]:
    """Yield the lines unchanged, and show a progress bar on stderr.

    Args:
        lines: The lines.
        total: The number of lines or bytes; None means unknown.
        in_bytes: Whether bytes are counted instead of lines.
        is_wanted: Whether the bar is shown even if stderr is not a terminal.
    """
    unit = "B" if in_bytes else " lines"
    disable = False if is_wanted else None  # None: disabled if stderr is not a terminal
    with tqdm(total=total, unit=unit, unit_scale=in_bytes, disable=disable) as bar:
        for line in lines:
            yield line
            bar.update(len(line) if in_bytes else 1)
