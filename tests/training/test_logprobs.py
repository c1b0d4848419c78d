"""Answers' log-probabilities on a CPU: against double precision, against TRL's own, and in 16 bits
over many steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import trl.trainer.utils
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from engine.training import compat, logprobs
from engine.training.logprobs import KNOWN, AnswerLogProbs

ROWS, HIDDEN, VOCABULARY = 37, 24, 1000


def drawn(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    chance = torch.Generator().manual_seed(3)
    hidden = torch.randn(ROWS, HIDDEN, generator=chance)
    weight = torch.randn(VOCABULARY, HIDDEN, generator=chance)
    targets = torch.randint(VOCABULARY, (ROWS,), generator=chance)
    targets[:9] = (hidden @ weight.T).argmax(dim=-1)[:9]
    return hidden.to(dtype), weight.to(dtype), targets


def slope(function: Any, hidden: Tensor, *given: Any) -> tuple[Any, Tensor]:
    """What a function finds, and the gradient of a weighted sum of its log-probabilities."""
    states = hidden.clone().requires_grad_()
    found = function(states, *given)
    (found[0] * torch.linspace(-1, 1, len(hidden))).sum().backward()
    assert states.grad is not None
    return found, states.grad


@pytest.fixture(autouse=True)
def _several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logprobs, "LOGITS", 5 * VOCABULARY)


def test_they_are_those_of_double_precision() -> None:
    hidden, weight, targets = drawn()
    (found, entropy, mean, best), gradient = slope(
        AnswerLogProbs.apply, hidden, weight, targets, KNOWN
    )

    def exact(states: Tensor) -> tuple[Tensor, Tensor]:
        logs = (states @ weight.double().T).log_softmax(dim=-1)
        return logs.gather(1, targets[:, None]).squeeze(1), logs

    (true, logs), true_gradient = slope(exact, hidden.double())
    logits = hidden.double() @ weight.double().T
    torch.testing.assert_close(found.double(), true, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient.double(), true_gradient, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(entropy.double(), -(logs.exp() * logs).sum(-1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mean.double(), logits.mean(dim=-1), rtol=1e-4, atol=1e-5)
    assert best.tolist() == (logits.argmax(dim=-1) == targets).tolist()
    assert 9 <= int(best.sum()) < ROWS


def test_only_what_is_wanted_is_told_and_nothing_is_learnt_without_gradients() -> None:
    hidden, weight, targets = drawn()
    with torch.no_grad():
        found, entropy, mean, best = AnswerLogProbs.apply(hidden, weight, targets, ("entropy",))
    assert mean is None
    assert best is None
    assert entropy.shape == found.shape == (ROWS,)
    assert not found.requires_grad
    empty = AnswerLogProbs.apply(hidden[:0].requires_grad_(), weight, targets[:0], ())
    assert empty[0].shape == (0,)
    empty[0].sum().backward()


def test_a_16_bit_gradient_is_as_near_as_trls() -> None:
    hidden, weight, targets = drawn(torch.bfloat16)
    given = weight, None, targets, 1.0, 256, None, 1.0, ("log_probs",)
    _, ours = slope(AnswerLogProbs.apply, hidden, weight, targets, ())
    _, theirs = slope(compat.TRLS_LOG_PROBS.apply, hidden, *given)
    _, exact = slope(compat.TRLS_LOG_PROBS.apply, hidden.float(), weight.float(), *given[1:])
    far = [float((g.float() - exact).norm() / exact.norm()) for g in (ours, theirs)]
    assert far[0] < max(1.2 * far[1], 5e-3)


def test_entropy_does_not_drift_in_16_bits() -> None:
    """Two hundred steps from sure of all to sure of the targets, in 16 and in 32 bits."""
    _, weight, targets = drawn()
    weight = (weight / 4).bfloat16()

    def entropies(dtype: torch.dtype) -> list[float]:
        states = torch.zeros(ROWS, HIDDEN, requires_grad=True)
        seen = []
        for _ in range(200):
            found, entropy, *_ = AnswerLogProbs.apply(
                states.to(dtype), weight.to(dtype), targets, ("entropy",)
            )
            (gradient,) = torch.autograd.grad(-found.mean(), states)
            states = (states.detach() - 20 * gradient).requires_grad_()
            seen.append(float(entropy.mean()))
        return seen

    exact, rounded = entropies(torch.float32), entropies(torch.bfloat16)
    assert exact[0] > 6.9
    assert exact[-1] < 0.8 * exact[0]
    apart = torch.tensor(rounded) - torch.tensor(exact)
    assert apart.abs().max() < 0.05
    assert apart[-20:].mean().abs() < 0.01


def scored(model: Any, ids: Tensor, labels: Tensor) -> tuple[Any, Tensor]:
    model.zero_grad()
    found = model(input_ids=ids, labels=labels, fused_lm_head=True)
    found.log_probs.sum().backward()
    return found, model.model.embed_tokens.weight.grad.clone()


def test_trl_asks_ours_and_gets_what_it_would_get_from_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fails when TRL looks for its function elsewhere, or calls it with other arguments."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, tie_word_embeddings=False,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.lm_head.weight.requires_grad_(False)
    trl.trainer.utils.add_fused_lm_head(model, outputs=("log_probs", *KNOWN))
    ids = torch.randint(300, (3, 11))
    labels = ids.masked_fill(torch.arange(11) < 5, -100)
    asked: list[int] = []
    apply = AnswerLogProbs.apply

    def counting(hidden: Tensor, *given: Any) -> Any:
        asked.append(len(hidden))
        return apply(hidden, *given)

    monkeypatch.setattr(AnswerLogProbs, "apply", counting)
    ours, our_gradient = scored(model, ids, labels)
    assert asked == [3 * 6]  # the answers' tokens, not the prompts'
    monkeypatch.setattr(trl.trainer.utils, "_ChunkedLogProbFunction", compat.TRLS_LOG_PROBS)
    theirs, their_gradient = scored(model, ids, labels)
    assert len(asked) == 1
    for name in ("log_probs", "entropy", "mean_logits", "is_top1"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name))
    torch.testing.assert_close(our_gradient, their_gradient)


@pytest.mark.parametrize("change", ["bias", "softcap", "trained", "temperature", "dtype", "output"])
def test_whatever_ours_does_not_know_is_trls(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("ours was asked")

    monkeypatch.setattr(AnswerLogProbs, "apply", never)
    hidden, weight, targets = drawn()
    given: list[Any] = [hidden, weight, None, targets, 1.0, 512, None, 1.0, ("entropy",)]
    match change:
        case "bias":
            given[2] = torch.zeros(VOCABULARY)
        case "softcap":
            given[6] = 30.0
        case "trained":
            given[1] = weight.clone().requires_grad_()
        case "temperature":
            given[4] = 0.7
        case "dtype":
            given[1] = weight.bfloat16()
        case "output":
            given[8] = ("log_sum_sq_probs",)
    found = trl.trainer.utils._ChunkedLogProbFunction.apply(*given)
    assert found[0].shape == (ROWS,)
