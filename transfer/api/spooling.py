"""Temporary files that decouple the database from slow clients."""

from collections.abc import Iterable
from tempfile import SpooledTemporaryFile

IN_MEMORY = 4 * 2**20  # bytes
BLOCK = 64 * 1024  # bytes per read or send


def spooled(pieces: Iterable[bytes]) -> SpooledTemporaryFile[bytes]:
    """Write the pieces to a temporary file, on disk if it is large, and rewind it."""
    file = SpooledTemporaryFile[bytes](IN_MEMORY)
    try:
        for piece in pieces:
            file.write(piece)  # writelines() would hold everything in memory
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
