"""Which parameters a trial has, and which values it may not have."""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna_bridge.space.when import ConditionedSpace, shown


class ActiveParameters:
    """What a search space says of the parameters of a trial, by its conditions."""

    def missing(self: ConditionedSpace, params: Mapping[str, Any]) -> list[str]:
        """Return the active parameters that have no value, in the space's order."""
        if not self.is_conditional:
            return [name for name in self.distributions if name not in params]
        active = self.conditions.active(self.to_internal(params))
        names = zip(self.distributions, active, strict=True)
        return [name for name, is_active in names if is_active and name not in params]

    def is_complete(self: ConditionedSpace, internal: Sequence[float | None]) -> bool:
        """Return whether a trial has a value for each active parameter."""
        if None not in internal:
            return True
        if not self.is_conditional:
            return False
        pairs = zip(self.conditions.active(internal), internal, strict=True)
        return not any(is_active and value is None for is_active, value in pairs)

    def active_only(self: ConditionedSpace, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of the valid parameters that are active with the others."""
        if not self.is_conditional:
            return dict(params)
        active = zip(
            self.distributions, self.conditions.active(self.to_internal(params)), strict=True
        )
        return {name: params[name] for name, is_active in active if is_active and name in params}

    def activity_faults(self: ConditionedSpace, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return (parameter, fault) for each of the valid parameters that is not active.

        These are also those that only a missing value could make active.
        """
        if not self.is_conditional:
            return []
        active = self.active_only(params)
        return [
            (each["name"], _why_inactive(self, each, params))
            for each in self.parameters
            if each["name"] in params and each["name"] not in active
        ]


def _why_inactive(
    space: ConditionedSpace, parameter: Mapping[str, Any], params: Mapping[str, Any]
) -> str:
    original = space if space.original is None else space.original
    when = next(each for each in original.parameters if each["name"] == parameter["name"])
    conditions = space.conditions.of(parameter["name"])
    for condition, (parent, wanted) in zip(conditions, when["when"].items(), strict=True):
        needed = f'a trial has it only if "{parent:.80}" is {shown(wanted)}'
        if parent not in params:
            return f'{needed}, and there is no "{parent:.80}"'
        if not condition.holds(space.internal_value(parent, params[parent])):
            return f"{needed}, not {params[parent]!r:.100}"
    return f"a trial has it only with {', '.join(when['when'])}, which are not active"
