"""A bar that shows how far a command has come."""

from collections.abc import Iterable, Iterator

from tqdm import tqdm


def with_bar(
    lines: Iterable[bytes], *, total: int | None, in_bytes: bool, is_wanted: bool
) -> Iterator[bytes]:
    """The lines, counted on stderr: where it is a terminal, or where the bar is wanted.

    `total` is how many lines, or bytes, there will be; None: nobody knows.
    """
    unit = "B" if in_bytes else " lines"
    disable = False if is_wanted else None  # None: where stderr is no terminal
    with tqdm(total=total, unit=unit, unit_scale=in_bytes, disable=disable) as bar:
        for line in lines:
            yield line
            bar.update(len(line) if in_bytes else 1)
