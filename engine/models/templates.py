"""Finds what a model's chat template writes around messages, by rendering it.

It finds how an assistant's turn ends, which tokens only the template may write, whether the prompt
depends on the date, and what looks wrong. This works with any template, without a list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from jinja2 import TemplateError

from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKED, SAID, ASKED_NEXT = "A probe's question.", "A probe's answer.", "The probe's next question."
THINKING: Final = re.compile("think|thought|reasoning|scratchpad|monologue", re.IGNORECASE)
CANNOT_RENDER: Final = (TemplateError, TypeError, ValueError)
# Every month, every day of the week, and times of day: a template may print any part of a date.
DAYS: Final = [datetime(2023, 1, 1, 0, 1, 1) + i * timedelta(32, 6700) for i in range(13)]
DIRECTIVES: Final = "aAbBcCdDeFgGhHIjklmMpPrRSTuUVwWxXyYzZ"


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """How an assistant's turn ends.

    Attributes:
        token: the id that ends an answer in training.
        ends: ids that end a generated answer.
        text: what the template writes after an answer if that is no control token; it ends an
            answer, too.
    """

    token: int
    ends: frozenset[int]
    text: str | None = None


def turn_end(tokenizer: Any) -> TurnEnd:
    """The turn's end, from what the template writes between an answer and the next question.

    The first control token there ends a turn, and so does the tokenizer's end-of-text token.
    A template that writes nothing after an answer leaves the end to the next turn's first token.
    """
    return _turn_end(tokenizer, tokenizer.chat_template, tokenizer.eos_token_id)


@lru_cache(maxsize=8)
def _turn_end(tokenizer: Any, _template: str, eos: int) -> TurnEnd:
    last = _part(tokenizer, [ASKED, SAID], SAID)
    more = _part(tokenizer, [ASKED, SAID, ASKED_NEXT], SAID, ASKED_NEXT)
    here, next_turn = _added(tokenizer, last), _added(tokenizer, more)
    if here:
        return TurnEnd(here[0], frozenset({eos, here[0]}))
    if next_turn:
        opens = _added(tokenizer, _part(tokenizer, [ASKED], "", ASKED))
        token = eos if next_turn[0] in opens else next_turn[0]
        return TurnEnd(token, frozenset({eos, next_turn[0]}))
    words = re.search(r"\s?\S.*[^\W\d].*", last + more)
    return TurnEnd(eos, frozenset({eos}), words[0].rstrip() if words else None)


def control_tokens(tokenizer: Any) -> dict[str, bool]:
    """Tokens that must not result from a message's text -> whether the tokenizer marks them as
    special; the others are written by the template.

    A token of one letter is left out: some models pad with a letter, which text needs.
    """
    return _control_tokens(tokenizer, tokenizer.chat_template)


@lru_cache(maxsize=8)
def _control_tokens(tokenizer: Any, _template: str) -> dict[str, bool]:
    frame = _render(tokenizer, [ASKED, SAID, ASKED_NEXT]) + _render(tokenizer, [ASKED], cue=True)
    added = {token.content: token.special for token in tokenizer.added_tokens_decoder.values()}
    added |= dict.fromkeys(tokenizer.all_special_tokens, True)
    return {t: special for t, special in added.items() if (special or t in frame) and t.strip()[1:]}


def check(tokenizer: Any, card: str) -> Iterator[str]:
    """Refuse an unusable template (``UserError``); yield what looks wrong with a usable one."""
    try:
        prompt = render(tokenizer, [ASKED], cue=True)
        usable = prompt != render(tokenizer, [ASKED_NEXT], cue=True)
    except CANNOT_RENDER as error:
        raise UserError(f"card {card!r}: its chat template is broken: {error}") from None
    if not usable:
        raise UserError(f"card {card!r}: its chat template leaves out the user's message")
    if any(render(tokenizer, [ASKED], cue=True) != prompt for _ in range(8)):
        raise UserError(
            f"card {card!r}: its chat template draws by chance, so that no prompt is the same"
            " twice; name another file in source.chat_template"
        )
    if _shows_the_day(tokenizer):
        raise UserError(
            f"card {card!r}: its chat template writes the date into every prompt, so that other"
            " days give other answers; set source.date (YYYY-MM-DD) to the day it shall see, or"
            " name a template without it in source.chat_template"
        )
    begin = tokenizer.bos_token_id
    written = tokenizer(prompt, add_special_tokens=False).input_ids
    if begin is not None and begin in tokenizer("x").input_ids and begin not in written:
        yield (
            f"the tokenizer begins texts with {tokenizer.bos_token!r}, but the chat template"
            " writes none and none is added: if the model was trained with it, add"
            " {{ bos_token }} to the template"
        )
    if missing := _missing_cue(tokenizer, prompt):
        yield (
            "the chat template has no generation prompt: prompts end before the assistant's turn"
            f" begins, without {missing!r}; add it under {{% if add_generation_prompt %}}"
        )
    if words := turn_end(tokenizer).text:
        yield (
            f"the chat template ends an answer with no control token but with the text {words!r}:"
            " what a model writes from there on is cut off, after it was generated"
        )


def pin(template: str, day: str) -> str:
    """The template with its date fixed to midnight of ``day`` (YYYY-MM-DD).

    A macro in front replaces the ``strftime_now`` that transformers offers to templates, so the
    date is saved with the tokenizer.
    """
    return _with_clock(template, datetime.fromisoformat(day))


def _with_clock(template: str, now: datetime) -> str:
    known = [f"%{flag}{letter}" for letter in DIRECTIVES for flag in ("", "-")]
    used = [directive for directive in [*known, "%%"] if directive in template]
    written = "".join(f".replace({one!r}, {now.strftime(one)!r})" for one in used)
    macro = "{% macro strftime_now(format) %}{{ format" + written + " }}{% endmacro %}"
    return macro + "\n" + template  # this newline is not rendered


def _shows_the_day(tokenizer: Any) -> bool:
    template = tokenizer.chat_template
    if "strftime_now" not in template:
        return False
    seen = {
        render(tokenizer, [ASKED], cue=True, chat_template=_with_clock(template, day))
        for day in DAYS
    }
    return len(seen) > 1


def _missing_cue(tokenizer: Any, prompt: str) -> str:
    """What the template writes between a prompt without cue and an answer."""
    if prompt.removeprefix(_render(tokenizer, [ASKED])).strip():
        return ""
    whole = _render(tokenizer, [ASKED, SAID]) or _render(tokenizer, [ASKED, SAID, ASKED_NEXT])
    before, found, _ = whole.partition(SAID)
    return before.removeprefix(prompt).strip() if found and before.startswith(prompt) else ""


def render(tokenizer: Any, texts: list[str], cue: bool = False, **options: Any) -> str:
    """Render alternating user and assistant messages to text."""
    turns = [
        {"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)
    ]
    return str(
        tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=cue, **options)
    )


def _render(tokenizer: Any, texts: list[str], cue: bool = False) -> str:
    """As :func:`render`, but "" where the template refuses the messages."""
    try:
        return render(tokenizer, texts, cue)
    except CANNOT_RENDER:
        return ""


def _part(tokenizer: Any, texts: list[str], begin: str, end: str | None = None) -> str:
    """What the template writes between two messages, or to the end."""
    whole = _render(tokenizer, texts)
    after = whole.partition(begin)[2] if begin else whole
    return after.partition(end)[0] if end else after


def _added(tokenizer: Any, text: str) -> list[int]:
    """Ids of the tokens in a text that are in the tokenizer's list of added tokens."""
    ids = {t.content: i for i, t in tokenizer.added_tokens_decoder.items() if t.content.strip()}
    return [ids[found] for found in any_of(frozenset(ids)).findall(text)]


@lru_cache(maxsize=16)
def any_of(tokens: frozenset[str]) -> re.Pattern[str]:
    """Matches one of the tokens, the longest first; nothing when there are none."""
    return re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))) or "(?!)")
