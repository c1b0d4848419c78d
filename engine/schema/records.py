"""Records: the lines of output files. Raw texts are kept, so all else can be derived."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from engine.schema.errors import UserError

Finish = Literal["stop", "length", "filtered", "empty", "refused"]


class Record(BaseModel):
    """Base of all records: written strictly, read with a later version's fields kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Verdict(Record):
    """The answer extracted from a text, and whether it equals the target.

    ``tier`` names the rule that found the answer; ``None`` when nothing was found, which
    counts as wrong and as unparsed. ``span``: the answer's place in the text (first and
    past-the-last character), None if unknown.
    """

    answer: str | None
    tier: str | None
    correct: bool
    span: tuple[int, int] | None = None

    def at_the_end(self, text: str, kept: str) -> Verdict:
        """The verdict with its span moved from ``text`` to ``kept``, the end of ``text``."""
        if self.span is None or kept == text:
            return self
        cut = len(text.rstrip()) - len(kept)
        start, end = self.span[0] - cut, self.span[1] - cut
        return self.model_copy(update={"span": (start, end) if start >= 0 else None})


class Demonstration(Record):
    """A teacher's answer to one training question."""

    id: str
    instruction: str
    question: str
    choices: tuple[str, ...] = ()
    target: str
    group: str = ""
    prompt: str
    output: str
    finish: Finish
    verdict: Verdict
    kept: bool
    dropped_because: str | None = None


class Answer(Record):
    """One answer of a student: text, verdict and length."""

    prompt: str
    text: str
    finish: Finish
    tokens: int
    verdict: Verdict


class _Asked(Record):
    """A question of a benchmark: its id, text, options, target and group."""

    id: str
    question: str
    choices: tuple[str, ...] = ()
    target: str
    group: str = ""


def asked(of: object) -> dict[str, Any]:
    """The question's fields, for a record on the same question as an item or another record."""
    return {name: getattr(of, name) for name in _Asked.model_fields}


class ElicitedAnswers(_Asked):
    """The student's two answers to a question, kept by the gate or not."""

    plain: Answer
    cot: Answer
    teacher: str


class Pair(_Asked):
    """A preference pair. Both prompts are kept, so either can be rebuilt.

    ``plain_has_steps``: the plain answer reasons too, so the pair says little about
    style. ``chosen_finish``, ``rejected_finish``: only what ended by itself is trained with the
    end-of-text token.
    """

    prompt: str
    prompt_plain: str
    prompt_cot: str
    chosen: str
    rejected: str
    winner: Literal["student", "teacher"]
    chosen_verdict: Verdict
    rejected_verdict: Verdict
    plain_has_steps: bool
    chosen_finish: Finish = "stop"
    rejected_finish: Finish = "stop"


class PairScore(Record):
    """A pair's log-probabilities (natural, summed over the answer's tokens, end of text included)
    under refine's reference and under the policy it kept."""

    id: str
    held_out: bool
    reference_chosen: float
    reference_rejected: float
    policy_chosen: float
    policy_rejected: float


class Look(Record):
    """A greedy answer to one prompt with the weights after ``step`` steps of a training (0: before
    the first).

    ``loss``, ``held_out_loss``: as they were last logged, None before that or where a training has
    none. ``trained_on``: whether the training sees the question too.
    """

    step: int
    epoch: float | None = None
    item: str
    prompt: str
    target: str
    trained_on: bool
    text: str
    finish: Finish
    verdict: Verdict | None = None
    loss: float | None = None
    held_out_loss: float | None = None


class Committed(Record):
    """A model's completion of an answer that states no clear result.

    ``cue``: the words added to the answer; ``text``: the completion.
    """

    cue: str
    text: str
    finish: Finish
    tokens: int
    verdict: Verdict


class Prediction(_Asked):
    """A model's answer to one test question.

    ``committed``: None where the answer was clear, or not to be completed.

    ``option_logprobs``: natural log-probability of each option letter, with the log-prob method.
    """

    prompt: str
    output: str
    finish: Finish
    tokens: int
    verdict: Verdict
    legacy: Verdict | None = None
    option_logprobs: tuple[float, ...] | None = None
    committed: Committed | None = None


class JudgedAnswers(Record):
    """Two answers to one question, and a judge's verdicts on them.

    ``first`` and ``second`` are the answers of the judgement's two phases. ``straight``: the
    judge's preference when the first answer was shown first, ``swapped`` when it was shown
    second; None where its text holds no verdict. Equal answers are not judged.
    A judge that solves the question itself is asked once, so there is one order.
    """

    id: str
    first_correct: bool
    second_correct: bool
    same: bool
    straight: Literal["first", "second", "tie"] | None
    swapped: Literal["first", "second", "tie"] | None
    said: tuple[str, ...] = ()


class CommittedScore(Record):
    """The accuracy when unclear answers are replaced by the model's completions of them.

    ``asked``: how many were unclear; the others count as they were read.
    """

    asked: int
    correct: int
    accuracy: float
    low: float
    high: float
    unparsed: float
    tiers: dict[str, int]


class Score(Record):
    """Accuracy on a split, in 0..1, with its Wilson 95 % interval.

    ``unparsed``: share of answers in which no tier found an answer (they count as wrong).
    ``truncated``: share cut off by the token limit. ``legacy``: accuracy under the authors'
    matcher, for comparison only. ``tiers``: how many answers each rule found. ``committed``: with
    ``evaluate.commit`` only.
    """

    correct: int
    total: int
    accuracy: float
    low: float
    high: float
    unparsed: float
    truncated: float
    mean_tokens: float
    with_steps: float
    tiers: dict[str, int]
    legacy: float | None = None
    committed: CommittedScore | None = None


class Parity(Record):
    """The merged model compared with the student, on the student's own greedy answers.

    ``prompts`` answered, ``tokens`` of the answers compared. ``mean_kl``, ``max_kl``: mean and
    largest over tokens of KL(student || merged), in nats. ``max_logit``: largest difference of two
    log-probabilities of the same token. ``greedy``: share of tokens at which both find the same
    token the likeliest, 0..1. ``dtype`` of the merged weights. ``allowed``: the mean KL that
    rounding explains, for the dtypes both compute in. ``device``: ``cpu`` or ``cuda``.
    """

    prompts: int
    tokens: int
    mean_kl: float
    max_kl: float
    max_logit: float
    greedy: float
    dtype: str
    allowed: float
    device: str

    def check(
        self,
        most_kl: float | None = None,
        todo: str = "try --dtype fp32, or accept it with --max-kl",
    ) -> None:
        """``UserError``, which says what ``todo``, when the models are further apart than
        ``most_kl`` (``allowed`` when it is None)."""
        most = self.allowed if most_kl is None else most_kl
        if not self.mean_kl <= most:
            raise UserError(
                f"the merged model is not the trained student: mean KL {self.mean_kl:.2g} nats a"
                f" token, {most:.2g} allowed; greedy tokens agree in {self.greedy:.1%}; {todo}"
            )

    @property
    def summary(self) -> str:
        """One line."""
        return (
            f"in {self.dtype}; against the trained student on {self.tokens} tokens of"
            f" {self.prompts} answers: mean KL {self.mean_kl:.2g} nats (largest {self.max_kl:.2g}),"
            f" same greedy token in {self.greedy:.1%}"
        )
