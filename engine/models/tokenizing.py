"""Tokenizers, chat templates and prompts, the same for generation and for training."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import TemplateError
from transformers import AutoTokenizer

from engine.contract.errors import UserError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.contract.cards import LocalWeights
    from engine.contract.records import Finish
    from engine.interfaces import Begun

RESERVED: Final = re.compile(r"pad|reserved|unused|extra_id|dummy", re.IGNORECASE)


def load_tokenizer(
    folder: Path, source: LocalWeights, card: str, tell: Callable[[str], None]
) -> Any:
    """The folder's tokenizer with the card's chat template and a pad token of its own."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=source.trust_remote_code
        )
    except (OSError, ValueError, KeyError) as error:
        if not any(folder.glob("*token*")):
            raise UserError(f"{folder}: no tokenizer.json, so it can't read or write") from error
        first = str(error).strip().splitlines()[0]
        raise UserError(f"{folder}: its tokenizer can't be loaded: {first}") from error
    if source.chat_template:
        tokenizer.chat_template = _template(Path(source.chat_template).expanduser(), card)
    if not tokenizer.chat_template:
        raise UserError(
            f"card {card!r}: {folder} has no chat template; name a Jinja file in"
            " source.chat_template"
        )
    if tokenizer.eos_token_id is None:
        raise UserError(f"{folder}: tokenizer_config.json: eos_token: is missing; set it")
    ensure_pad(tokenizer, folder, tell)
    tokenizer.padding_side = "left"
    _check_template(tokenizer, card)
    return tokenizer


def _check_template(tokenizer: Any, card: str) -> None:
    try:
        usable = prepare_prompt(tokenizer, "?") != prepare_prompt(tokenizer, "!")
    except TemplateError as error:
        raise UserError(f"card {card!r}: its chat template is broken: {error}") from None
    if not usable:
        raise UserError(f"card {card!r}: its chat template leaves out the user's message")


def _template(file: Path, card: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        names = [p.name for p in file.parent.glob("*")]
        raise UserError(
            f"card {card!r}: source.chat_template: {file}: {error.strerror};"
            f" {nearest(file.name, names)}"
        ) from None


def ensure_pad(tokenizer: Any, where: Path, tell: Callable[[str], None]) -> None:
    """A pad token that is not the end-of-text token, without a new row in the embedding.

    Padding with EOS is the classic trap: a trainer that masks padding then masks the answer's
    end, and the model never learns to stop. Padding is hidden by the attention mask, so any
    special token that no answer holds will do.
    """
    if tokenizer.pad_token_id not in (None, tokenizer.eos_token_id):
        return
    special = [t for t in tokenizer.get_added_vocab() if RESERVED.search(t)]
    candidates = [tokenizer.unk_token, *sorted(special), tokenizer.bos_token]
    for token in candidates:
        if token and tokenizer.convert_tokens_to_ids(token) != tokenizer.eos_token_id:
            tokenizer.pad_token = token
            tell(f"the tokenizer has no pad token of its own: {token!r} pads")
            return
    raise UserError(
        f"{where}: tokenizer_config.json: pad_token: is missing and no special token can stand in;"
        " set it to a token that is in the vocabulary and not the end-of-text token"
    )


def prepare_prompt(tokenizer: Any, user_message: str) -> list[int]:
    """Token ids of a user message through the chat template, up to where the answer begins.

    The template writes the begin-of-text token itself, so none is added (a doubled one is a
    silent loss of quality).
    """
    turns = [{"role": "user", "content": user_message}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def prepare_begun(tokenizer: Any, begun: Begun, room: int) -> list[int]:
    """Token ids of an answer so far and the words to go on from, ``room`` tokens at most: of an
    answer that is too long the end is kept."""
    ids = list(tokenizer(f"{begun.text.rstrip()}\n{begun.cue}", add_special_tokens=False).input_ids)
    return ids[-max(room, 1) :]


def prepare_answer(tokenizer: Any, text: str, finish: Finish) -> list[int]:
    """Token ids of an answer to be learnt, with the end-of-text token where it ended by itself.

    What the token limit cut off gets none: it would teach to stop in the middle.
    """
    ids = list(tokenizer(text, add_special_tokens=False).input_ids)
    return ids if finish == "length" else [*ids, tokenizer.eos_token_id]
