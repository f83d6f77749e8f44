"""Files of this machine between the database and a client, either of which may be slow."""

from collections.abc import Iterable
from tempfile import SpooledTemporaryFile

IN_MEMORY = 4 * 2**20  # bytes
BLOCK = 64 * 1024  # bytes that are read or sent at once


def spooled(pieces: Iterable[bytes]) -> SpooledTemporaryFile[bytes]:
    """A temporary file of these pieces, to be read and closed; what is large lies on the disk."""
    file = SpooledTemporaryFile[bytes](IN_MEMORY)
    try:
        for piece in pieces:
            file.write(piece)  # writelines() would hold all in memory
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
