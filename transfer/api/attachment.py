"""The download of exported studies."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import IO

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from studies.models import NamedStudy
from transfer.api.spooling import BLOCK, spooled
from transfer.domain.exporting import lines_of_studies
from transfer.file.format import MEDIA_TYPE
from tuner_project.db.database import release_connection


def attachment(
    names: Sequence[str], *, filename: str, is_head: bool = False
) -> StreamingHttpResponse:
    """Return the response with the studies as a file to download.

    The file is written to the temporary folder before anything is sent, and the connection is
    released. A slow client therefore occupies no database connection, and memory usage does not
    depend on the size of the studies.

    Args:
        names: The names of the studies, in the order of the file.
        filename: The name of the file without its suffix.
        is_head: Whether the request is a HEAD, for which nothing is exported.

    Raises:
        StudyNotFound: There is no study with one of the names.
    """
    if is_head:
        for name in names:
            NamedStudy(name).one()
    with closing(lines_of_studies([] if is_head else names)) as lines:
        file = spooled(lines)
    release_connection()
    response = StreamingHttpResponse(_Blocks(file), content_type=MEDIA_TYPE)
    printable = "".join(each if each.isprintable() else "_" for each in filename)
    disposition = content_disposition_header(as_attachment=True, filename=f"{printable}.jsonl")
    response["Content-Disposition"] = disposition
    return response


class _Blocks(Iterator[bytes]):
    """An iterator over the blocks of a file, which is closed at its end or with the response."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __next__(self) -> bytes:
        block = b"" if self._file.closed else self._file.read(BLOCK)
        if not block:
            self.close()
            raise StopIteration
        return block

    def close(self) -> None:
        self._file.close()
