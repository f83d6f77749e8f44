"""What changes a study from outside its workers: its state, its budgets, its queue, corrections."""

from collections.abc import Iterable, Mapping
from typing import Any

from tuner._async.study_base import AsyncStudyBase
from tuner._wire.definition import as_body
from tuner._wire.requests import Request, as_values, present
from tuner.answers import FrozenTrial, Share, StudyInfo


class AsyncStudyControl(AsyncStudyBase):
    """The owner's part of a study; most of it needs a token of the scope `manage`."""

    # The study --------------------------------------------------------------------------------

    async def create(
        self, space: Mapping[str, Any], *, constraints: list[str] | None = None
    ) -> StudyInfo:
        """Create a study that had no search space yet, or load it if another worker has."""
        definition = {"space": space, **present(constraints=constraints), **self._definition}
        body = {"name": self.name, **as_body(definition)}
        return self._note(await self.transport.json(Request("POST", "/studies", body)))

    async def refresh(self) -> StudyInfo:
        """Read the study again; returns `info`."""
        return self._note(await self._get())

    async def update(self, **changes: Any) -> StudyInfo:
        """Change budgets, `lease_seconds`, `user_attrs`, `metric_names`, `tags`, the `note`, ….

        A key that is None removes the budget. `space` is another search space, with `defaults` of
        its new parameters and `retired` values of those that it leaves out; with `if_version`,
        nothing changes unless that is the version of the search space.
        """
        request = Request("PATCH", self.path(), as_body(changes))
        return self._note(await self.transport.json(request))

    async def pause(self, reason: str | None = None) -> StudyInfo:
        """Hand out no more trials until `resume`."""
        return self._note(await self._post("pause", reason=reason))

    async def resume(self, reason: str | None = None) -> StudyInfo:
        """Hand out trials again."""
        return self._note(await self._post("resume", reason=reason))

    async def complete(
        self, reason: str | None = None, *, stop_running: bool | None = None
    ) -> StudyInfo:
        """Complete the study; with `stop_running`, its running trials are advised to stop."""
        return self._note(await self._post("complete", reason=reason, stop_running=stop_running))

    async def cancel(self, reason: str | None = None) -> StudyInfo:
        """Cancel the study for good; its running trials are advised to stop."""
        return self._note(await self._post("cancel", reason=reason))

    async def delete(self) -> None:
        """Delete the study with its trials. Repeated after a lost answer, it may be NotFound."""
        await self.transport.send(Request("DELETE", self.path()))

    async def clone(self, name: str, **changes: Any) -> StudyInfo:
        """Copy the study under another name; `changes` are keys of the API's `clone`."""
        return StudyInfo.read(
            await self._post_once("clone", body={"name": name, **as_body(changes)})
        )

    async def share(self, days: int | None = None) -> Share:
        """Create a link that opens the study's page for reading, until it expires.

        Args:
            days: after which it expires, at most 90; by default 7.

        Returns:
            The link; its `url` has the secret, which cannot be read again.
        """
        return Share.read(await self._post_once("shares", body=present(expires_in_days=days)))

    async def revoke_share(self, share_id: int) -> None:
        """Revoke a link by its `id`; it opens nothing from now on."""
        await self.transport.send(Request("DELETE", self.path("shares", str(share_id))))

    # Trials -----------------------------------------------------------------------------------

    async def enqueue(
        self,
        params: Mapping[str, Any],
        *,
        priority: int | None = None,
        user_attrs: Mapping[str, Any] | None = None,
    ) -> FrozenTrial:
        """Queue a trial with some or all of its parameters; the sampler draws the others.

        Args:
            params: by name.
            priority: higher ones are handed out first; by default 0.
            user_attrs: of the trial.
        """
        keys = present(priority=priority, user_attrs=user_attrs)
        return FrozenTrial.read(await self._add({"params": dict(params), **keys}))

    async def enqueue_all(self, trials: Iterable[Mapping[str, Any]]) -> list[FrozenTrial]:
        """Queue several trials, all or none of them; each by its parameters."""
        items = [{"params": dict(params)} for params in trials]
        return [FrozenTrial.read(answer) for answer in await self._add(items)]

    async def add(
        self,
        params: Mapping[str, Any],
        values: Any = None,
        *,
        state: str = "COMPLETE",
        intermediate_values: Mapping[int, float | None] | None = None,
        constraints: Mapping[str, float] | None = None,
        user_attrs: Mapping[str, Any] | None = None,
        reason: str | None = None,
    ) -> FrozenTrial:
        """Record a trial that was evaluated elsewhere, for samplers to learn from."""
        steps = {str(step): value for step, value in (intermediate_values or {}).items()}
        body = present(
            params=dict(params),
            state=state,
            values=None if values is None else as_values(values),
            intermediate_values=steps or None,
            constraints=constraints,
            user_attrs=user_attrs,
            reason=reason,
        )
        return FrozenTrial.read(await self._add(body))

    async def retry(self, trial_id: int) -> FrozenTrial:
        """Queue a failed trial again; `retried_as` of the answer is the new one."""
        path = self.path("trials", str(trial_id), "retry")
        return FrozenTrial.read(
            await self.transport.json(Request("POST", path, {}, is_repeatable=False))
        )

    async def retry_failed(self, limit: int | None = None) -> dict[str, Any]:
        """Queue failed trials again; `n_left` of the answer are beyond the limit."""
        answer: dict[str, Any] = await self._post("retry-failed", limit=limit)
        return answer

    async def fail_running(
        self, silent_for_seconds: float, *, retry: bool | None = None, reason: str | None = None
    ) -> list[dict[str, Any]]:
        """Fail the running trials of which nothing was heard for so long."""
        answer = await self._post(
            "trials",
            "fail-running",
            silent_for_seconds=silent_for_seconds,
            retry=retry,
            reason=reason,
        )
        failed: list[dict[str, Any]] = answer["trials"]
        return failed

    async def invalidate(self, trial_id: int, reason: str) -> FrozenTrial:
        """Take back the result of a finished trial, which becomes FAIL."""
        path = self.path("trials", str(trial_id), "invalidate")
        return FrozenTrial.read(
            await self.transport.json(Request("POST", path, {"reason": reason}))
        )

    async def cancel_trial(self, trial_id: int) -> FrozenTrial:
        """Remove a waiting trial from the queue; it becomes FAIL."""
        path = self.path("trials", str(trial_id))
        return FrozenTrial.read(await self.transport.json(Request("DELETE", path)))

    async def update_trial(
        self,
        trial_id: int,
        user_attrs: Mapping[str, Any] | None = None,
        *,
        note: str | None = None,
        links: Mapping[str, str | None] | None = None,
    ) -> FrozenTrial:
        """Change a trial's note and links, whatever its state is, or attributes of a running one.

        Args:
            trial_id: its number.
            user_attrs: to add.
            note: the new note; "" removes it.
            links: URLs by name, http or https, to add; None instead of a URL removes one.
        """
        path = self.path("trials", str(trial_id))
        body = present(user_attrs=user_attrs, note=note, links=links)
        return FrozenTrial.read(await self.transport.json(Request("PATCH", path, body)))

    async def _add(self, body: Any) -> Any:
        return await self._post_once("trials", body=body)

    def _note(self, answer: Mapping[str, Any]) -> StudyInfo:
        self._info = StudyInfo.read(answer)
        self._space = None
        return self._info
