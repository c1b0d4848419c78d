"""Tokenizers, chat templates and prompts, the same for generation and for training."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from transformers import AutoTokenizer

from engine.models import sentencepiece, templates
from engine.models.templates import THINKING, turn_end
from engine.schema.errors import UserError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.interfaces import Begun, Tell
    from engine.schema.cards import LocalWeights
    from engine.schema.records import Finish

RESERVED: Final = re.compile(r"pad|reserved|unused|extra_id|dummy", re.IGNORECASE)


def load_tokenizer(folder: Path, source: LocalWeights, card: str, tell: Tell) -> Any:
    """The folder's tokenizer with the card's chat template and a pad token of its own."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=source.trust_remote_code
        )
    except (OSError, ValueError, KeyError) as error:
        if not any(folder.glob("*token*")):
            raise UserError(
                f"{folder}: no tokenizer.json or tokenizer.model, so it can't read or write"
            ) from error
        first = str(error).strip().splitlines()[0]
        raise UserError(f"{folder}: its tokenizer can't be loaded: {first}") from error
    sentencepiece.mend(tokenizer, folder)
    if source.chat_template:
        tokenizer.chat_template = _template(Path(source.chat_template).expanduser(), card)
    elif isinstance(tokenizer.chat_template, dict):  # by purpose: the one for tools isn't ours
        tokenizer.chat_template = tokenizer.chat_template.get("default")
    if not tokenizer.chat_template:
        raise UserError(
            f"card {card!r}: {folder} has no chat template; name a Jinja file in"
            " source.chat_template"
        )
    if tokenizer.eos_token_id is None:
        raise UserError(f"{folder}: tokenizer_config.json: eos_token: is missing; set it")
    if source.date:
        tokenizer.chat_template = templates.pin(tokenizer.chat_template, source.date)
    for line in templates.check(tokenizer, card):
        tell(f"{card}: {line}", "warning", "template")
    ensure_pad(tokenizer, folder, tell)
    tokenizer.padding_side = "left"
    return tokenizer


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
    """Set a pad token that ends neither text nor turn, without a new embedding row.

    Padding with EOS is a common mistake: a trainer that masks padding then masks the answer's
    end, and the model never learns to stop. Padding is hidden by the attention mask, so any
    special token that occurs in no answer will do.
    """
    ends = turn_end(tokenizer).ends
    if tokenizer.pad_token_id not in (None, *ends):
        return
    special = [t for t in tokenizer.get_added_vocab() if RESERVED.search(t)]
    candidates = [tokenizer.unk_token, *sorted(special), tokenizer.bos_token]
    for token in candidates:
        if token and tokenizer.convert_tokens_to_ids(token) not in ends:
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
    broken, mark = _broken(user_message, frozenset(templates.control_tokens(tokenizer)))
    return _ids(tokenizer, templates.render(tokenizer, [broken], cue=True).split(mark))


def prepare_begun(tokenizer: Any, begun: Begun, room: int) -> list[int]:
    """Token ids of a begun answer and the words to continue from, at most ``room``: only the end
    of a longer answer is kept."""
    ids = _answer(tokenizer, f"{begun.text.rstrip()}\n{begun.cue}")
    return ids[-max(room, 1) :]


def prepare_answer(tokenizer: Any, text: str, finish: Finish) -> list[int]:
    """Token ids of an answer to train on, with the turn's end if it ended by itself.

    An answer cut off by the token limit gets none, or it would teach to stop midway.
    """
    ids = _answer(tokenizer, text)
    return ids if finish == "length" else [*ids, turn_end(tokenizer).token]


def read_answer(tokenizer: Any, tokens: Sequence[int]) -> tuple[str, bool]:
    """A model's text without control tokens, and whether its text showed the end of its turn.

    Tags around thinking stay, to tell thinking from the answer. Control tokens that the
    tokenizer marks as ordinary are removed from the end, where they are left over.
    """
    control = _but_thinking(templates.control_tokens(tokenizer))
    special, ordinary = (
        {tokenizer.convert_tokens_to_ids(t) for t in control if control[t] is marked}
        for marked in (True, False)
    )
    kept = [token for token in tokens if token not in special]
    while kept and kept[-1] in ordinary:
        kept.pop()
    text = str(tokenizer.decode(kept, clean_up_tokenization_spaces=False))
    after = turn_end(tokenizer).text
    answer, over, _ = text.partition(after) if after else (text, "", "")
    return answer, bool(over)


def _answer(tokenizer: Any, text: str) -> list[int]:
    """Ids of an answer's text, in which tags around thinking alone are control tokens."""
    broken, mark = _broken(text, frozenset(_but_thinking(templates.control_tokens(tokenizer))))
    return _ids(tokenizer, broken.split(mark))


def _but_thinking(control: dict[str, bool]) -> dict[str, bool]:
    return {token: special for token, special in control.items() if not THINKING.search(token)}


def _broken(text: str, tokens: frozenset[str]) -> tuple[str, str]:
    """The text with a mark inside each of the tokens, and the mark, a character not in the text.
    Encoding the parts on either side separately keeps the tokens from being formed."""
    mark = next(one for one in map(chr, range(0xE000, 0xF900)) if one not in text)
    return templates.any_of(tokens).sub(lambda m: m[0][0] + mark + m[0][1:], text), mark


def _ids(tokenizer: Any, pieces: Sequence[str]) -> list[int]:
    """Token ids of pieces of one text, each encoded by itself.

    After a line's end tokenizers of the SentencePiece kind put no space before a text.
    """
    first, *others = pieces
    ids = list(tokenizer(first, add_special_tokens=False).input_ids)
    line = tokenizer("\n", add_special_tokens=False).input_ids
    for piece in others:
        after = tokenizer(f"\n{piece}", add_special_tokens=False).input_ids
        if after[: len(line)] == line:
            ids += after[len(line) :]
        else:
            ids += tokenizer(piece, add_special_tokens=False).input_ids
    return ids
