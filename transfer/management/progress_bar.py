"""A progress bar for commands."""

from collections.abc import Iterable, Iterator

from tqdm import tqdm


def with_bar(
    lines: Iterable[bytes], *, total: int | None, in_bytes: bool, is_wanted: bool
) -> Iterator[bytes]:
    """Pass lines on, and show a progress bar on stderr.

    Args:
        lines: the lines.
        total: how many lines or bytes there will be; None: unknown.
        in_bytes: whether bytes are counted instead of lines.
        is_wanted: whether the bar is shown even if stderr is no terminal.
    """
    unit = "B" if in_bytes else " lines"
    disable = False if is_wanted else None  # None: where stderr is no terminal
    with tqdm(total=total, unit=unit, unit_scale=in_bytes, disable=disable) as bar:
        for line in lines:
            yield line
            bar.update(len(line) if in_bytes else 1)
