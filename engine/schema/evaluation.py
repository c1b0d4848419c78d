"""What an evaluation measures, and its name in tables, titles and headings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Method = Literal["match", "logprob", "commit"]


@dataclass(frozen=True, slots=True, order=True)
class Evaluation:
    """A task's split with a prompt style, and how answers were read.

    ``method``: ``match`` reads the model's text, ``logprob`` takes the likeliest option letter,
    ``commit`` reads the model's completion of an unclear answer.
    """

    task: str
    prompt: str
    split: str = "test"
    method: Method = "match"

    @property
    def style(self) -> str:
        """``plain``, ``cot``, ``log-prob``, ``cot committed``."""
        match self.method:
            case "match":
                return self.prompt
            case "logprob":
                return "log-prob"
            case "commit":
                return f"{self.prompt} committed"

    @property
    def committed(self) -> Evaluation:
        return replace(self, method="commit")

    @property
    def where(self) -> str:
        """``gsm8k``; ``gsm8k train`` on questions that teachers annotate."""
        return self.task if self.split == "test" else f"{self.task} {self.split}"

    @property
    def label(self) -> str:
        """``gsm8k cot``, ``gsm8k train plain``, ``csqa log-prob``."""
        return f"{self.where} {self.style}"
