"""Which errors mean that the service is away for a while, so that nothing must be given up."""

from tuner.errors import ApiError, Busy, ConnectionFailed, TunerError


def is_outage(error: TunerError) -> bool:
    """Tell whether the same request may succeed later.

    So may one that a proxy answered, also with a 404: its page is no problem document, so that the
    code of the error is only made of the status.
    """
    if isinstance(error, ApiError):
        return error.status >= 500 or isinstance(error, Busy) or error.code.startswith("http_")
    return isinstance(error, ConnectionFailed)
