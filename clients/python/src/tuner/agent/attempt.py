"""One evaluation of a trial: a run of the program, from its environment to the trial's result."""

import asyncio
import itertools
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tuner._async.trial import AsyncTrial
from tuner._wire.outages import is_outage
from tuner._wire.pauses import pause_while_away
from tuner._worker.outcomes import REASON_LENGTH
from tuner.agent.child import Child
from tuner.agent.environment import environment_of
from tuner.agent.files import ReportsFile, Result, read_result
from tuner.agent.halt import Halt
from tuner.agent.log import LogSender
from tuner.agent.options import Options
from tuner.agent.output import Metric, Output
from tuner.agent.reporter import Reporter
from tuner.agent.screen import Screen
from tuner.answers import FrozenTrial, HeartbeatReply
from tuner.errors import Invalid, TunerError

_log = logging.getLogger("tuner")

EX_TEMPFAIL = 75  # of sysexits.h: try again later
SECONDS_TO_READ = 2.0  # the output, once the program has ended: a daemon of it may keep it open


class Attempt:
    """The evaluation of one trial.

    Args:
        trial: to evaluate.
        options: of the agent.
        screen: where the output goes.
        halt: the agent's request to end.
        children: the running programs of the agent.
    """

    def __init__(
        self,
        trial: AsyncTrial,
        options: Options,
        screen: Screen,
        halt: Halt,
        children: set[Child],
    ) -> None:
        self._trial = trial
        self._options = options
        self._screen = screen
        self._halt = halt
        self._children = children
        self._name = f"trial {trial.trial_id}"
        self._metric = None if options.metric is None else Metric(options.metric, self._name)
        self._output = Output(self._print, REASON_LENGTH, self._metric)
        self._log_sender = LogSender(trial)

    async def run(self) -> FrozenTrial | None:
        """Evaluate the trial and return its result; None if the trial was lost."""
        trial, began = self._trial, time.monotonic()
        _log.info("%s: started%s", self._name, _origin(trial))
        async with trial:
            with TemporaryDirectory(prefix="tuner-", ignore_cleanup_errors=True) as folder:
                await self._run_in(Path(folder))
        if trial.result is not None:
            _log.info("%s: %s", self._name, _describe(trial.result, time.monotonic() - began))
        return trial.result

    async def _run_in(self, folder: Path) -> None:
        reports, result = folder / "reports.jsonl", folder / "result.json"
        reports.touch()
        command = self._options.command.fill_in(self._trial.params)
        child = await Child.start(command, environment_of(self._trial, reports, result))
        self._children.add(child)
        try:
            reporter = Reporter(self._trial, ReportsFile(reports, self._name))
            advice = await self._follow(child, reporter)
            await self._report_rest(reporter)
            await self._tell(child.ended.result(), result, advice)
        finally:
            self._children.discard(child)
            child.close()
            await self._log_sender.send()  # after the result, which must not wait for it

    async def _follow(self, child: Child, reporter: Reporter) -> HeartbeatReply | None:
        """Wait for the end of the program, or stop it.

        Returns the advice for which it was stopped. Advice that arrives when the program has ended
        by itself does not count: its result is there.
        """
        reading = asyncio.create_task(self._output.read(child.output))
        advice = asyncio.create_task(reporter.run())
        halted = asyncio.create_task(self._halt.wait())
        sending = asyncio.create_task(self._log_sender.run())
        try:
            await asyncio.wait({child.ended, advice, halted}, return_when=asyncio.FIRST_COMPLETED)
            is_stopped = not child.ended.done()
            if is_stopped:
                await child.stop(self._signal(), self._options.grace)
            await asyncio.wait({reading}, timeout=SECONDS_TO_READ)
            if reading.done():
                reading.result()
            return await advice if is_stopped and advice.done() else None
        finally:
            tasks = (reading, advice, halted, sending)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _signal(self) -> signal.Signals:
        """Return the signal to stop the program by: the agent's own, but a hang-up as SIGTERM."""
        return signal.SIGINT if self._halt.number == signal.SIGINT else signal.SIGTERM

    async def _report_rest(self, reporter: Reporter) -> None:
        """Report what is left, but do not give up the result for it.

        After a lease that has expired, a report is refused, and a result may yet be accepted.
        """
        try:
            await self._persist(reporter.finish)
        except TunerError as error:
            _log.warning("%s: its last reports are not stored: %s", self._name, error)

    async def _tell(self, code: int, path: Path, advice: HeartbeatReply | None) -> None:
        """Tell the result of the trial."""
        trial = self._trial
        if advice is not None:
            await self._persist(lambda: trial.prune(advice.reason))
            return
        found = self._find_result(code, path)
        if isinstance(found, Result):
            try:
                await self._persist(partial(self._complete, found))
                return
            except (Invalid, ValueError) as error:
                found = f"the result was refused: {error}"
            except TunerError:
                _log.error("%s: its result %r is not stored", self._name, found.values)
                raise
        elif self._halt.number is not None:
            found = f"given back: the agent received {self._halt.number.name}; {found}"
        is_given_back = code == EX_TEMPFAIL or self._halt.number is not None
        reason = self._with_output(found)
        await self._persist(lambda: trial.fail(reason, retry=is_given_back))

    def _find_result(self, code: int, path: Path) -> Result | str:
        """Return the result of a program, or why it has none."""
        if code:
            last_line = self._output.last_line
            return _describe_code(code) + (f": {last_line}" if last_line else "")
        try:
            result = read_result(path, None if self._metric is None else self._metric.value)
        except ValueError as error:
            return str(error)
        return result or "the program ended without a result: " + (
            "it wrote none to $TUNER_RESULT"
            if self._metric is None
            else f"no line of its output matches --metric {self._metric.pattern}"
        )

    async def _complete(self, result: Result) -> FrozenTrial:
        return await self._trial.complete(
            result.values, attrs=result.user_attrs, constraints=result.constraints
        )

    async def _persist(self, send: Callable[[], Awaitable[object]]) -> None:
        """Send until the service answers: hours of work wait for it."""
        for n_failed in itertools.count():
            try:
                await send()
                return
            except TunerError as error:
                if not is_outage(error) or self._halt.number is not None:
                    raise
                _log.warning("%s: its result waits: %s", self._name, error)
            await asyncio.sleep(pause_while_away(n_failed))

    def _with_output(self, reason: str) -> str:
        """Return a reason with as much of the end of the output as there is room for."""
        room = max(1, REASON_LENGTH - len(reason) - 2)
        return f"{reason}\n\n{self._output.tail.strip()[-room:]}".strip()

    async def _print(self, lines: list[str]) -> None:
        self._log_sender.add(lines)
        if self._options.n_slots > 1:
            lines = [f"[{self._trial.trial_id}] {line}" for line in lines]
        await self._screen.write(lines)


def _origin(trial: AsyncTrial) -> str:
    if trial.is_reoffered:
        return f" again, from step {trial.next_step}"
    return "" if trial.retry_of is None else f", another attempt at trial {trial.retry_of}"


def _describe_code(code: int) -> str:
    if code > 0:
        return f"exit code {code}"
    known = {number.value: number.name for number in signal.Signals}
    return f"ended by {known.get(-code, f'signal {-code}')}"


def _describe(trial: FrozenTrial, seconds: float) -> str:
    """Return the outcome of a trial in a line."""
    value = trial.value if trial.values is None or len(trial.values) == 1 else trial.values
    shown = "" if value is None else f" {value!r}"
    reason = (trial.reason or "").split("\n", 1)[0]
    why = f": {reason}" if reason else ""
    refused = f"; it is not tried again: {trial.retry_refused}" if trial.retry_refused else ""
    return f"{trial.state}{shown} after {seconds:.1f} s{why}{refused}"
