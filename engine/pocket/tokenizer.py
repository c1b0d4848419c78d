"""Each family's tokenizer: whole words where the pocket language has them, bytes elsewhere.

The vocabulary is listed rather than learnt: all 256 bytes, so that any text can be encoded
and decoded, and the words of the problems, both voices, the prompts and everyday English.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from engine.pocket.problems import BOYS, COLOURS, GIRLS, LARGEST, PLACES, THINGS, TREASURES, pool
from engine.pocket.tasks import TASKS
from engine.pocket.voices import VOICES
from engine.tasks.prompts import render

if TYPE_CHECKING:
    from collections.abc import Iterator

# GPT-2's rule, but an option's label such as "C)" is one token, the same with and without a space
# before it: what follows a label in an answer can then be copied from the choices.
WORD: Final = (
    r"[A-E]\)| (?=[A-E]\))|'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
    r"|\s+(?!\S)|\s+"
)
EVERYDAY: Final = (  # noqa: SIM905
    "the of and to a in is it you that he was for on are with as his they be at one have this "
    "from or had by not but what all were we when your can said there use an each which she do "
    "how their if will up other about out many then them these so some her would make like him "
    "into time has look two more go see no way could people my than first been call who its now "
    "find down day did get come made may part over new after also well because very just where "
    "most know take good year give back only think want any three four five option choice right "
    "wrong number total left sum step steps next last finally therefore means question correct"
).split()


@dataclass(frozen=True, slots=True)
class Dialect:
    """What sets a family's tokenizer apart.

    Attributes:
        begin, end, pad: special tokens; ``begin`` may be empty.
        everyday: how many of the everyday words it knows.
        chat: the jinja chat template.
    """

    begin: str
    end: str
    pad: str
    everyday: int
    chat: str


DIALECTS: Final = {
    "wren": Dialect(
        begin="",
        end="<|end|>",
        pad="<|pad|>",
        everyday=60,
        chat="{% for message in messages %}"
        "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
    ),
    "otter": Dialect(
        begin="<s>",
        end="</s>",
        pad="<pad>",
        everyday=len(EVERYDAY),
        chat="{{ '<s>' }}{% for message in messages %}"
        "{% if message['role'] == 'assistant' %}{{ message['content'] + '</s>' }}"
        "{% else %}{{ '[INST]' + message['content'] + '[/INST]' }}{% endif %}"
        "{% endfor %}",
    ),
}
ROLES: Final = {
    "wren": ("<|system|>", "<|user|>", "<|assistant|>"),
    "otter": ("[INST]", "[/INST]"),
}


def build_tokenizer(family: str) -> PreTrainedTokenizerFast:
    """The family's tokenizer, ready to save; it adds no special token by itself."""
    dialect = DIALECTS[family]
    specials = [s for s in (dialect.pad, dialect.end, dialect.begin, *ROLES[family]) if s]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [word for word in dict.fromkeys(_words(dialect)) if len(word) > 1]
    # A word scores better than its spelling in bytes, as a byte costs ten times as much.
    entries = [(s, 0.0) for s in specials] + [(byte, -10.0) for byte in alphabet]
    entries += [(word, -1.0) for word in words]
    core = Tokenizer(models.Unigram(entries, unk_id=0, byte_fallback=False))
    core.pre_tokenizer = _cutter()
    core.decoder = decoders.ByteLevel()
    named = {"pad_token": dialect.pad, "eos_token": dialect.end}
    if dialect.begin:
        named["bos_token"] = dialect.begin
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        additional_special_tokens=list(ROLES[family]),
        clean_up_tokenization_spaces=False,
        padding_side="left",
        model_max_length=1024,
        **named,
    )
    tokenizer.chat_template = dialect.chat
    return tokenizer


def _cutter() -> pre_tokenizers.PreTokenizer:
    """Cuts text into words, each with its leading space, and these into bytes."""
    words = pre_tokenizers.Split(Regex(WORD), behavior="isolated")
    return pre_tokenizers.Sequence(
        [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )


def _words(dialect: Dialect) -> Iterator[str]:
    """Byte-level spellings of every word worth one token, a leading space included."""
    cut = _cutter()
    for text in _language(dialect):
        yield from (piece for piece, _ in cut.pre_tokenize_str(text))


def _language(dialect: Dialect) -> Iterator[str]:
    """All texts of the pocket language, few of each kind, and single words."""
    names = (*GIRLS, *BOYS, *COLOURS, *PLACES, *THINGS, *TREASURES)
    for word in (*names, *EVERYDAY[: dialect.everyday]):
        yield f" {word}"
    yield from names[: len(GIRLS + BOYS)]
    for number in range(LARGEST + 1):
        yield f" {number}"
        yield f"{number}"
    for name, task in TASKS.items():
        for problem in pool(name, "train", 300):
            yield render(task.instruction, problem.question, problem.choices, "cot")
            yield from (voice.reasoning(problem) for voice in VOICES.values())
            yield from (voice.conclusion(problem) for voice in VOICES.values())
