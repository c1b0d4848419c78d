"""What an evaluation takes at its peak, beside what `plan` says of it.

    python -m benchmarks.memory FOLDER --questions 40 --tokens 12

FOLDER holds a real model in transformers' format. Questions are made up, of GSM8K's length. With
--views the last hidden state stays the view with gaps that transformers leaves, as it was before:
what reading prompts then costs.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

from engine.generation.generate import generate
from engine.interfaces import Question
from engine.models import loading
from engine.planning.memory import rough_gib
from engine.schema.cards import LocalWeights, ModelCard, Sampling
from engine.schema.settings import GenerationSettings
from engine.schema.specs import EvaluateSpec, TaskRef
from engine.tasks.prompts import NUMBER_INSTRUCTION, render

QUESTION = (
    "Mia sells {0} pens in the morning and {1} in the afternoon, each for 3 dollars. She spends "
    "half of what she earns on paper, and gives a quarter of the rest to her brother, who already "
    "had {2} dollars. How many dollars does Mia have left in the end, and why is that so?"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--precision", default="bf16", choices=["nf4", "bf16", "fp32"])
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=12)
    parser.add_argument("--views", action="store_true")
    options = parser.parse_args()
    if options.views:
        loading._read_last_states_whole = lambda _model: None
    source = LocalWeights(path=str(options.folder), precision=options.precision)
    sampling = Sampling(max_new_tokens=options.tokens)
    card = ModelCard(name=options.folder.name, family="any", source=source, sampling=sampling)
    loaded = loading.load(card)
    parameters = float(sum(p.numel() for p in loaded.model.parameters()))
    began = time.process_time()
    questions = [
        Question(str(i), render(NUMBER_INSTRUCTION, QUESTION.format(i, 2 * i, 3 * i), (), "cot"), i)
        for i in range(options.questions)
    ]
    tokens = 0
    for batch in generate(loaded, questions, sampling, GenerationSettings()):
        tokens += sum(reply.prompt_tokens + reply.completion_tokens for _, reply in batch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    spec = EvaluateSpec(
        model=card.model_copy(update={"parameters": parameters}),
        task=TaskRef(name="gsm8k"),
        prompt="cot",
        limit=options.questions,
    )
    said = rough_gib(spec, on_gpu=False)
    assert said is not None
    print(
        f"{card.name} {options.precision}: {parameters / 1e6:.0f} M weights, {tokens} tokens in "
        f"{time.process_time() - began:.1f} CPU s; peak {peak:.2f} GiB, plan says {said:.2f} "
        f"({said / peak:.2f})"
    )


if __name__ == "__main__":
    main()
