"""Exported studies as the answer to a request."""

from collections.abc import Generator, Sequence

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from studies.models import NamedStudy
from trials.transfer.exporting import export_lines, in_blocks
from trials.transfer.format import MEDIA_TYPE


def attachment(names: Sequence[str], *, filename: str) -> StreamingHttpResponse:
    """The studies of these names, one after the other, as a file to keep.

    Raises `StudyNotFound` before anything is sent where the first is not there.
    """
    lines = _lines(names)
    response = StreamingHttpResponse(in_blocks(next(lines), lines), content_type=MEDIA_TYPE)
    printable = "".join(each if each.isprintable() else "_" for each in filename)
    disposition = content_disposition_header(as_attachment=True, filename=f"{printable}.jsonl")
    response["Content-Disposition"] = disposition
    return response


def _lines(names: Sequence[str]) -> Generator[bytes]:
    for name in names:
        yield from export_lines(named=NamedStudy(name))
