"""What CMA-ES takes; it imports none of the libraries that only a draw needs."""

from optuna.distributions import FloatDistribution, IntDistribution

from optuna_bridge.samplers.kind import Options, StudyTraits

MAX_PARAMS, MAX_PARAMS_SEPARABLE = 100, 1000


def fault_of_study(study: StudyTraits) -> str | None:
    """Return why CMA-ES cannot draw for a study, or not in the time of an ask; None if it can."""
    if study.n_objectives > 1:
        return f"it takes one objective, not {study.n_objectives}"
    is_separable = study.options["use_separable_cma"]
    most = MAX_PARAMS_SEPARABLE if is_separable else MAX_PARAMS
    space = study.space.as_sampled
    modelled = (space.distributions[name] for name in space.conditions.always_active)
    n = sum(
        isinstance(each, FloatDistribution | IntDistribution) and not each.single()
        for each in modelled
    )
    if n == 0:
        which = " without conditions" if space.is_conditional else ""
        return f"it needs a float or int parameter{which} whose low is less than its high"
    if n > most:
        hint = "" if is_separable else f", and {MAX_PARAMS_SEPARABLE} with use_separable_cma"
        return f"it takes at most {most} float and int parameters{hint}, not {n}"
    return None


def conflicts(options: Options) -> list[tuple[str, str]]:
    """Return the options that exclude each other, with the reason."""
    variants = ("use_separable_cma", "with_margin", "lr_adapt")
    chosen = [name for name in variants if options[name]]
    return [(name, f"{name} and {chosen[0]} exclude each other") for name in chosen[1:]]
