"""What a worker asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from access.actors import Actor
from trials.models.leases import OF_STUDY, Lease


@dataclass(frozen=True)
class AskRequest:
    """The arguments of an ask.

    A worker with a `worker_id` gets the trials that it already holds, unless `new` is set. All
    others have the values in `fixed`, which are in the study's search space.
    """

    actor: Actor
    count: int = 1
    worker_id: str = ""
    new: bool = False
    lease: Lease = OF_STUDY
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def may_be_reoffered(self) -> bool:
        return bool(self.worker_id) and not self.new
