"""The log-probabilities of each preference pair before and after a refinement.

One forward pass over all pairs under the kept checkpoint, and one under the reference where its
scores were not remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from peft import set_peft_model_state_dict

from engine.schema.records import PairScore
from engine.training import compat
from engine.training.guards import saved_weights
from engine.training.reference import REMEMBERED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import torch


def score_pairs(
    trainer: Any,
    adapter: Path,
    training: Sequence[str],
    held_out: Sequence[str],
    seen: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[PairScore]:
    """The scores of the trainer's pairs, whose ids are given in the order of its rows. ``seen`` is
    called with the number scored and the total.

    The trained adapter's weights are replaced by those of ``adapter``, the one that is kept.
    """
    set_peft_model_state_dict(trainer.model, saved_weights(adapter), adapter_name="default")
    trainer.model.eval()

    def score(rows: list[dict[str, Any]]) -> compat.Columns:
        return *_reference(trainer, rows), *_policy(trainer, rows)

    splits = (trainer.train_dataset, trainer.eval_dataset)
    found = compat.score_all(trainer, splits, score, seen)
    for names, held, columns in zip((training, held_out), (False, True), found, strict=True):
        for name, *values in zip(names, *columns, strict=True):
            yield _score(name, held, values)


def _score(name: str, held_out: bool, values: Sequence[float]) -> PairScore:
    rounded = (round(value, 4) for value in values)
    fields = ("reference_chosen", "reference_rejected", "policy_chosen", "policy_rejected")
    return PairScore(id=name, held_out=held_out, **dict(zip(fields, rounded, strict=True)))


def _reference(trainer: Any, part: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
    if REMEMBERED[0] in part[0]:
        chosen, rejected = ([row[name] for row in part] for name in REMEMBERED)
        return chosen, rejected
    batch = compat.prepared(trainer, part)
    return _listed(trainer.compute_ref_log_probs(trainer.model, batch))


def _policy(trainer: Any, part: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
    return _listed(compat.log_probs(trainer, compat.prepared(trainer, part)))


def _listed(halves: Iterable[torch.Tensor]) -> tuple[list[float], list[float]]:
    """The scores of the chosen and of the rejected answers, as lists."""
    chosen, rejected = halves
    return chosen.tolist(), rejected.tolist()
