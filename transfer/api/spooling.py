"""Temporary files between the database and a client, either of which may be slow."""

from collections.abc import Iterable
from tempfile import SpooledTemporaryFile

IN_MEMORY = 4 * 2**20  # bytes
BLOCK = 64 * 1024  # bytes that are read or sent at once


def spooled(pieces: Iterable[bytes]) -> SpooledTemporaryFile[bytes]:
    """Write the pieces to a temporary file, large ones on disk, and rewind it."""
    file = SpooledTemporaryFile[bytes](IN_MEMORY)
    try:
        for piece in pieces:
            file.write(piece)  # writelines() would hold all in memory
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
