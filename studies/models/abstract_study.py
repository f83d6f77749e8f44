"""The fields of a study: its definition, its budgets and state, and its progress."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from optuna_bridge.enums import Direction
from studies.enums import Duplicates, StudyState
from tuner_project.db.fields import NextValue, PlainJSONField


class AbstractStudy(models.Model):
    """The fields of a study.

    Those from `next_number` on are maintained by the two writing methods of Trial's manager, under
    the lock of the study's row; `save()` never changes them.
    """

    id = models.IntegerField(
        primary_key=True,
        db_default=NextValue(models.Value("optuna.studies_study_id_seq")),
        editable=False,
    )
    name = models.CharField(max_length=256, unique=True)
    directions = ArrayField(models.CharField(max_length=8, choices=Direction.choices))
    direction_is_list = models.BooleanField(
        default=False, help_text="The direction was given as a list, and is answered as one."
    )
    search_space = PlainJSONField(
        help_text="All versions together: the values that its trials may have, in their order."
    )
    distributions = ArrayField(
        models.TextField(), help_text="The search space as Optuna's storage writes it."
    )
    search_space_version = models.IntegerField(
        default=1, db_default=1, help_text="Counts the search spaces that it has had."
    )
    current_space = PlainJSONField(
        null=True,
        help_text="What is suggested now: parameters, and the values of retired ones; null: the "
        "search space, which has never changed.",
    )
    sampler = models.CharField(max_length=16)
    sampler_options = PlainJSONField(default=dict)
    pruner = models.CharField(max_length=32)
    pruner_options = PlainJSONField(default=dict)
    user_attrs = PlainJSONField(default=dict)
    metric_names = PlainJSONField(
        null=True, help_text="A list with the name of each objective; null: they have none."
    )
    tags = ArrayField(
        models.TextField(),
        default=list,
        db_default=[],
        help_text="Words by which it is found, in their stored form and order.",
    )
    note = models.TextField(
        blank=True, default="", db_default="", help_text="For people, in Markdown."
    )
    constraints = ArrayField(
        models.TextField(), default=list, help_text="Names of what is feasible up to 0."
    )
    parameter_constraints = ArrayField(
        models.TextField(),
        default=list,
        db_default=[],
        help_text="Comparisons of parameters that each trial satisfies.",
    )
    duplicates = models.CharField(
        max_length=8, choices=Duplicates.choices, default=Duplicates.ALLOW
    )
    pruning_direction = models.CharField(
        max_length=8,
        choices=Direction.choices,
        blank=True,
        default="",
        help_text="Of several objectives: the direction of the metric that is reported.",
    )
    repeats = PlainJSONField(
        null=True, help_text="An object: n, aggregate; null: each point is evaluated once."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    lease_seconds = models.FloatField(
        null=True, help_text="How long a trial may go without a sign of life; null: for ever."
    )
    max_retries = models.IntegerField(default=0, help_text="Retries of a trial that failed.")
    max_reoffers = models.IntegerField(
        default=10,
        db_default=10,
        help_text="How often a trial is returned to its worker without a report or heartbeat.",
    )
    max_consecutive_failures = models.IntegerField(
        null=True, help_text="FAIL in a row; then the study is paused."
    )
    max_trial_seconds = models.FloatField(
        null=True, help_text="How long a trial may run, however often it reports."
    )
    stop_running = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether running trials are told to stop once the study is completed.",
    )
    max_trials = models.IntegerField(
        null=True, help_text="Of all states but FAIL; infeasible trials count."
    )
    max_concurrent = models.IntegerField(null=True, help_text="RUNNING at a time.")
    max_failures = models.IntegerField(null=True, help_text="FAIL and not retried.")
    target_value = models.FloatField(null=True, help_text="The value that is good enough.")
    deadline = models.DateTimeField(null=True)
    stop_after_no_improvement = PlainJSONField(
        null=True, help_text="An object: trials, min_delta, reference_point; null: no such budget."
    )
    created_with = PlainJSONField(
        default=dict, help_text="What may have been changed since, as it was at first."
    )
    state = models.CharField(max_length=9, choices=StudyState.choices, default=StudyState.ACTIVE)
    state_reason = models.TextField(blank=True, default="")
    state_history = PlainJSONField(default=list, help_text="Its changes of state, oldest first.")

    next_number = models.IntegerField(default=0, help_text="The next trial's number.")
    revision = models.BigIntegerField(default=0, help_text="Counts the writes to its trials.")
    front_revision = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="The revision at which a result last changed the best trial or the front.",
    )
    n_waiting = models.IntegerField(default=0)
    n_running = models.IntegerField(default=0)
    n_complete = models.IntegerField(default=0)
    n_pruned = models.IntegerField(default=0)
    n_fail = models.IntegerField(default=0)
    n_failures = models.IntegerField(
        default=0, help_text="Trials that ran and failed, and were not retried."
    )
    n_infeasible = models.IntegerField(
        default=0, db_default=0, help_text="Of the FAIL trials: those that count as an answer."
    )
    n_consecutive_failures = models.IntegerField(
        default=0, db_default=0, help_text="FAIL since the last COMPLETE or PRUNED, or resumption."
    )
    n_without_improvement = models.IntegerField(
        default=0,
        db_default=0,
        help_text="Finished since the last improvement, if stop_after_no_improvement is set.",
    )
    improvement_reference = models.FloatField(
        null=True,
        help_text="The best value at the last improvement; of several objectives, by how much the "
        "hypervolume has grown since.",
    )
    next_lease_expiry = models.DateTimeField(
        null=True, help_text="No lease runs out before; heartbeats leave it behind."
    )
    best_number = models.IntegerField(
        null=True, help_text="Of equally good trials the first; of a Pareto front, its first."
    )
    best_values = ArrayField(models.FloatField(), null=True)
    best_internal_params = ArrayField(models.FloatField(null=True), null=True)

    class Meta:
        abstract = True
