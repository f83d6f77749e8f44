"""The way of a request to the service and back, with its repetitions."""

from collections.abc import Callable
from typing import Any, TypeVar

from tuner._async.tasks import current_place, sleep
from tuner._wire.library import (
    describe_fault,
    headers,
    httpx,
    is_permanent,
    is_unsent,
    read_error,
    read_json,
)
from tuner._wire.requests import Request, present
from tuner._wire.retries import Attempts
from tuner.config import API_PREFIX, Settings
from tuner.errors import ConnectionFailed

_Answer = TypeVar("_Answer")


class AsyncTransport:
    """Sends requests, and repeats those that can be repeated until their deadline.

    Args:
        settings: the URL and the token.
        timeout: seconds for one attempt.
        deadline: seconds for all attempts of a request.
        transport: of the HTTP library; by default a pool of connections.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        timeout: float,
        deadline: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.settings = settings
        self.timeout = timeout
        self.deadline = deadline
        self._transport = transport
        self._http: httpx.AsyncClient | None = None
        self._place: object = None

    async def json(
        self, request: Request, *, deadline: float | None = None, timeout: float | None = None
    ) -> Any:
        """Send a request and return the JSON of its answer.

        A patient request is repeated, too, if a proxy answers with a page. See `send`.
        """
        return await self._answer(request, read_json, deadline, timeout)

    async def send(
        self, request: Request, *, deadline: float | None = None, timeout: float | None = None
    ) -> httpx.Response:
        """Send a request until it is answered.

        Args:
            request: what to send.
            deadline: seconds in which attempts begin; by default that of the transport. 0: a single
                attempt.
            timeout: seconds for one attempt; by default that of the transport.

        Raises:
            ApiError: the service refused it.
            ConnectionFailed: the service did not answer until the deadline.
        """
        return await self._answer(request, lambda response: response, deadline, timeout)

    async def _answer(
        self,
        request: Request,
        read: Callable[[httpx.Response], _Answer],
        deadline: float | None,
        timeout: float | None,
    ) -> _Answer:
        attempts = Attempts(request, self.deadline if deadline is None else deadline)
        message = self._message(request, self.timeout if timeout is None else timeout)
        while True:
            try:
                response = await self._client().send(message)
                if response.is_success:
                    return read(response)
            except httpx.RequestError as error:
                fault = describe_fault(error)
                if is_permanent(error):
                    raise fault from error
                pause = attempts.pause_after_fault(fault, was_sent=not is_unsent(error))
            except ConnectionFailed as fault:  # the answer was not JSON
                if not request.is_patient:
                    raise
                pause = attempts.pause_after_fault(fault, was_sent=True)
            else:
                pause = attempts.pause_after_refusal(read_error(response))
            await sleep(pause)

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    def _message(self, request: Request, timeout: float) -> httpx.Request:
        return self._client().build_request(
            request.method,
            f"{API_PREFIX}{request.path}",
            content=request.content,
            timeout=timeout,
            params=present(**(request.query or {})),
            headers={} if request.method == "GET" else {"Content-Type": request.content_type},
        )

    def _client(self) -> httpx.AsyncClient:
        """Return the HTTP client of this process: connections must not be shared after a fork.

        With asyncio, connections belong to the loop that has opened them, too.
        """
        place = current_place()
        if self._http is None or self._place != place:
            self._place = place
            self._http = httpx.AsyncClient(
                base_url=self.settings.url,
                headers=headers(self.settings.token),
                transport=self._transport,
            )
        return self._http

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_http": None, "_place": None, "_transport": None}
