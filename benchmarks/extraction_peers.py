"""How the peers read labelled texts. It is run by the interpreter that has the peer, not by ours.

    PYTHON extraction_peers.py PEER ROWS READINGS

ROWS is a labelled file as ``extraction.py`` describes it. READINGS gets a line for each row and
each of the peer's readers for its kind: ``{"id", "reader", "answer", "equal"}``. ``reader`` names
the peer's own function, filter or metric; ``answer`` is what it extracts (null: nothing);
``equal`` is the peer's verdict whether that is the row's ``truth``, false where it gives none.
Nothing of a peer is rewritten here: filters come from its task files, metrics from its modules.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Read = Callable[[Row], tuple[str | None, bool]]
Readers = Iterator[tuple[str, str, Read]]  # kind, reader's name, reader
ANY_TARGET = "0"  # for judges that want a target where there is no answer
NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"


def letters(row: Row) -> str:
    return "".join(chr(ord("A") + place) for place in range(len(row["options"])))


def lm_eval() -> Readers:
    """The filters of shipped generative tasks, behind the tasks' own stop sequences."""
    from lm_eval.tasks.hendrycks_math import utils as hendrycks
    from lm_eval.tasks.minerva_math import utils as minerva

    for kind, task in (
        ("choice", "gpqa/cot_zeroshot/_gpqa_cot_zeroshot_yaml"),
        ("choice", "mmlu/flan_cot_zeroshot/_mmlu_flan_cot_zeroshot_template_yaml"),
        ("choice", "mmlu/generative/_default_template_yaml"),
        ("choice", "mmlu_pro/_default_template_yaml"),
        ("choice", "llama3/instruct/mmlu_cot/_mmlu_cot_llama_template_yaml"),
        ("number", "gsm8k/gsm8k.yaml"),
        ("number", "gsm8k/gsm8k-cot.yaml"),
        ("number", "gsm8k/gsm8k-cot-llama.yaml"),
    ):
        for name, read in _filters(task):
            yield kind, f"{re.sub(r'(/_.*|[.]yaml)$', '', task)}: {name}", read

    def solution(row: Row) -> Row:
        answer = minerva.normalize_final_answer(row["truth"])
        return {"solution": rf"\boxed{{{row['truth']}}}", "answer": answer}

    def minerva_reads(row: Row) -> tuple[str | None, bool]:
        given = minerva.get_unnormalized_answer(row["text"])
        return _unless(given, "[invalidanswer]"), bool(
            row["truth"] and minerva.process_results(solution(row), [row["text"]])["exact_match"]
        )

    def math_verify_reads(row: Row) -> tuple[str | None, bool]:
        given = minerva.parse(row["text"])
        return str(given[-1]) if given else None, bool(
            row["truth"] and minerva.process_results(solution(row), [row["text"]])["math_verify"]
        )

    def hendrycks_reads(row: Row) -> tuple[str | None, bool]:
        scored = row["truth"] and hendrycks.process_results(solution(row), [row["text"]])
        return row["text"], bool(scored and scored["exact_match"])

    yield "math", "minerva_math: exact_match", minerva_reads
    yield "math", "minerva_math: math_verify", math_verify_reads
    yield "math", "hendrycks_math: exact_match", hendrycks_reads


def _filters(task: str) -> Iterator[tuple[str, Read]]:
    from lm_eval import tasks
    from lm_eval.api.instance import Instance
    from lm_eval.filters import build_filter_ensemble
    from lm_eval.models.utils import postprocess_generated_text
    from lm_eval.tasks._yaml_loader import load_yaml

    config = load_yaml(Path(tasks.__file__).parent / task)
    stop = config["generation_kwargs"]["until"]

    def reader(name: str, steps: list[dict[str, Any]]) -> Read:
        named = [(step.pop("function"), step) for step in map(dict, steps)]
        ensemble = build_filter_ensemble(name, named)

        def read(row: Row) -> tuple[str | None, bool]:
            doc = {"choices": row["options"]}
            asked = Instance("generate_until", doc, ("", {}), 0)
            asked.resps = [postprocess_generated_text(row["text"], stop, None)]
            ensemble.apply([asked])
            found = _unless(asked.filtered_resps[name], "[invalid]")
            if row["kind"] == "choice" and found:  # as exact_match with ignore_punctuation
                found = re.sub(r"[^\w\s]", "", found).upper()
            return found, False

        return read

    for wanted in config["filter_list"]:
        yield wanted["name"], reader(wanted["name"], wanted["filter"])


def _unless(found: str, nothing: str) -> str | None:
    return None if found in ("", nothing) else found


def opencompass() -> Readers:
    """The postprocessors that its data sets' configurations name, and their evaluators."""
    from opencompass import datasets
    from opencompass.evaluator import MATHVerifyEvaluator
    from opencompass.utils import text_postprocessors as texts

    def letter(find: Callable[[str, str], str]) -> Read:
        return lambda row: (find(row["text"], letters(row)) or None, False)

    yield "choice", "first_option_postprocess", letter(texts.first_option_postprocess)
    yield (
        "choice",
        "first_option_postprocess, cushion=False",
        letter(lambda text, options: texts.first_option_postprocess(text, options, cushion=False)),
    )
    yield (
        "choice",
        "first_capital_postprocess",
        letter(lambda text, _: texts.first_capital_postprocess(text)),
    )
    yield "choice", "last_option_postprocess", letter(texts.last_option_postprocess)
    for start in ("ANSWER\\s*:", "so the answer is"):  # mmlu_pro's and commonsenseqa's patterns
        pattern = rf"(?i){start}\s*([A-P])"
        yield (
            "choice",
            f"match_answer_pattern, {pattern}",
            letter(lambda text, _, pattern=pattern: texts.match_answer_pattern(text, pattern)),
        )

    evaluator = datasets.MATHEvaluator(version="v2")

    def judged(find: Callable[[str], str], equal: Callable[[str, str], bool]) -> Read:
        def read(row: Row) -> tuple[str | None, bool]:
            found = find(row["text"])
            return _unless(found, "NULL"), bool(row["truth"]) and equal(found, row["truth"])

        return read

    gsm8k = judged(datasets.gsm8k_postprocess, datasets.Gsm8kEvaluator().is_equal)
    yield "number", "gsm8k_postprocess, Gsm8kEvaluator", gsm8k
    for kind in ("number", "math"):
        second = judged(datasets.math_postprocess_v2, evaluator.is_equiv)
        yield kind, "math_postprocess_v2, MATHEvaluator v2", second
    first = judged(datasets.math_postprocess, evaluator.is_equiv)
    yield "math", "math_postprocess, MATHEvaluator v2", first

    def verified(row: Row) -> tuple[str | None, bool]:
        details = MATHVerifyEvaluator().score([row["text"]], [row["truth"] or ANY_TARGET])
        found = details["details"][0]
        return _unless(found["pred"], "[]"), bool(row["truth"]) and found["correct"]

    yield "math", "MATHVerifyEvaluator", verified


def inspect() -> Readers:
    """Its scorers, and those of inspect_evals that ask no model.

    Scorers try what they find in the text against the target. Where there is no answer they are
    offered every letter of the row or every number of the text; taking none is reading none.
    """
    from inspect_ai import scorer
    from inspect_ai.model import ModelOutput
    from inspect_ai.scorer import Target
    from inspect_ai.solver import TaskState
    from inspect_ai.solver._multiple_choice import parse_answers
    from inspect_evals.math.math import expression_exact_match, expression_exact_match_sympy

    def state(row: Row) -> Any:
        output = ModelOutput.from_content("peer/none", row["text"])
        return TaskState(
            model="peer/none",
            sample_id=row["id"],
            epoch=1,
            input=row["question"],
            messages=[],
            choices=row["options"],
            output=output,
        )

    def parsed(row: Row) -> tuple[str | None, bool]:
        found = parse_answers(state(row), multiple_correct=False)
        return next(iter(found), None), False

    yield "choice", "multiple_choice(), choice()", parsed

    def judged(judge: Any) -> Read:
        def read(row: Row) -> tuple[str | None, bool]:
            said = re.findall(NUMBER, row["text"].replace(",", ""))
            offered = list(letters(row)) or sorted(set(said)) or ANY_TARGET
            score = asyncio.run(judge(state(row), Target(row["truth"] or offered)))
            right = score.value == scorer.CORRECT
            found = score.answer if right or row["truth"] else None
            return found, right and bool(row["truth"])

        return read

    yield "choice", 'answer("letter")', judged(scorer.answer("letter"))
    yield "number", "match(numeric=True)", judged(scorer.match(numeric=True))
    first = judged(scorer.match("begin", numeric=True))
    yield "number", 'match("begin", numeric=True)', first
    for kind in ("number", "math"):
        yield kind, 'answer("line")', judged(scorer.answer("line"))
        yield kind, "math()", judged(scorer.math(timeout=60))  # of wall time: load mustn't tell
    for judge in (expression_exact_match, expression_exact_match_sympy):
        yield "math", f"inspect_evals math: {judge.__name__}", judged(judge())


def lighteval() -> Readers:
    """Its extractive matches as shipped tasks use them, behind GSM8K's stop sequence."""
    from lighteval.metrics.metrics import Metrics
    from lighteval.models.model_output import ModelResponse
    from lighteval.tasks.requests import Doc

    def judged(metric: Any, gold: Callable[[Row], str] | None = None) -> Read:
        def read(row: Row) -> tuple[str | None, bool]:
            truth = row["truth"]
            if gold:
                doc = Doc(query="", choices=[gold(row)], gold_index=0)
            else:
                names = list(letters(row))
                doc = Doc(query="", choices=names, gold_index=names.index(truth or "A"))
            response = ModelResponse(text=[row["text"].split("Question:")[0]])
            equal = metric(doc=doc, model_response=response)
            found = doc.specific["extracted_predictions"]
            return found[0] if found else None, bool(truth and equal)

        return read

    def plain(row: Row) -> str:
        return row["truth"] or ANY_TARGET

    def boxed(row: Row) -> str:
        return rf"ANSWER: $\boxed{{{plain(row)}}}$"

    choice = Metrics.gpqa_instruct_metric.value.sample_level_fn.compute
    strict = Metrics.pass_at_k_letters.value.sample_level_fn.compute_score
    expression = Metrics.expr_gold_metric.value.sample_level_fn.compute
    both = Metrics.pass_at_k_math.value.sample_level_fn.compute_score
    yield "choice", "gpqa_instruct_metric (IndicesExtractionConfig)", judged(choice)
    yield "choice", "pass_at_k_letters (IndicesExtractionConfig)", judged(strict)
    for kind in ("number", "math"):
        expr = "expr_gold_metric (ExprExtractionConfig)"
        yield kind, expr, judged(expression, plain)
        latex = "pass_at_k_math (ExprExtractionConfig, LatexExtractionConfig)"
        yield kind, latex, judged(both, boxed)


def math_verify() -> Readers:
    """``parse`` and ``verify`` with the extraction configurations that it documents."""
    from math_verify import parse, verify
    from math_verify.parser import (
        ExprExtractionConfig,
        LatexExtractionConfig,
        StringExtractionConfig,
    )

    def verified(name: str, config: Callable[[Row], list[Any]]) -> tuple[str, Read]:
        def read(row: Row) -> tuple[str | None, bool]:
            given = parse(row["text"], config(row))
            found = str(given[-1]) if given else None
            if row["kind"] == "choice" or row["truth"] is None:
                return found and found.upper(), False
            return found, verify(parse(f"${row['truth']}$"), given)

        return name, read

    def strings(row: Row) -> list[Any]:
        return [StringExtractionConfig(strings=tuple(letters(row)))]

    yield "choice", *verified("StringExtractionConfig", strings)
    for kind in ("number", "math"):
        yield (
            kind,
            *verified(
                "LatexExtractionConfig, ExprExtractionConfig",
                lambda _: [LatexExtractionConfig(), ExprExtractionConfig()],
            ),
        )
    yield "number", *verified("ExprExtractionConfig", lambda _: [ExprExtractionConfig()])
    yield "math", *verified("LatexExtractionConfig", lambda _: [LatexExtractionConfig()])


PEERS = {peer.__name__: peer for peer in (lm_eval, opencompass, inspect, lighteval, math_verify)}


def main() -> None:
    name, rows, readings = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    readers = list(PEERS[name]())
    raised = 0
    with Path(rows).open(encoding="utf-8") as lines, Path(readings).open("w") as out:
        for row in map(json.loads, lines):
            for kind, reader, read in readers:
                if kind != row["kind"]:
                    continue
                try:
                    answer, equal = read(row)
                except Exception:
                    raised += 1
                    answer, equal = None, False
                found = {"id": row["id"], "reader": reader, "answer": answer, "equal": bool(equal)}
                out.write(json.dumps(found) + "\n")
    if raised:
        print(f"{name}: raised {raised} times", file=sys.stderr)


if __name__ == "__main__":
    main()
