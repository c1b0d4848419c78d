"""What an experiment sets far outside the usual, which is told and never refused."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from engine.planning.sweep import leaves
from engine.schema.cards import Sampling
from engine.schema.experiment import Experiment, Settings
from engine.schema.setting import usual_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.planning.presets import Resolved


class Remark(NamedTuple):
    """Something to know of a key of the file before launching."""

    key: str
    text: str


def unusual(resolved: Resolved) -> tuple[Remark, ...]:
    """Remarks on the experiment's settings, those of a sweep's every value, and on its models'
    sampling."""
    experiments = [one.experiment for _, one in resolved.sweep] or [resolved.experiment]
    found = [remark for one in experiments for remark in (*_of_settings(one), *_of_rounds(one))]
    return tuple(dict.fromkeys([*found, *_of_models(resolved)]))


def _of_settings(experiment: Experiment) -> Iterator[Remark]:
    for path, field in leaves(Settings, ()):
        usual = usual_of(field)
        value = reduce(getattr, path, experiment.settings)
        if usual and (text := usual.warning(value)):
            yield Remark(".".join(("settings", *path)), text)
    refine = experiment.settings.refine
    if refine.warmup_steps >= refine.max_steps and any(
        arm in experiment.arms for arm in ("refine-only", "both")
    ):
        yield Remark(
            "settings.refine.warmup_steps",
            f"{refine.warmup_steps} steps of warm-up in a training of {refine.max_steps}: the "
            "learning rate never reaches its peak",
        )


def _of_rounds(experiment: Experiment) -> Iterator[Remark]:
    usual = usual_of(Experiment.model_fields["rounds"])
    for number in experiment.rounds:
        if usual and (text := usual.warning(number)):
            yield Remark("rounds", text)


def _of_models(resolved: Resolved) -> Iterator[Remark]:
    for key in ("teachers", "students"):
        for name in getattr(resolved.experiment, key):
            sampling = resolved.cards[name].sampling
            for path, field in leaves(Sampling, ()):
                usual = usual_of(field)
                if usual and (text := usual.warning(getattr(sampling, path[0]))):
                    yield Remark(key, f"{name}: {path[0]} {text}")
