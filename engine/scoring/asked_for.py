"""Finds what a question asks for: a count of something, money, a percentage or a time."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from engine.scoring.quantity import figures

_HOW_MANY: Final = re.compile(
    r"\b(?:how many|number of|how much(?= [a-z]+ (?:is|are|was|were|do|does|did|will|can|has|have)"
    r"\b)|(?:amount|quantity) of)\s((?:[\w'-]{1,25}\s?){1,6})",
    re.IGNORECASE,
)
_PHRASE_ENDS: Final = re.compile(
    r"(?:did|do|does|will|would|can|could|are|is|were|was|has|have|had|in|on|for|of|per|if|to|"
    r"left|remain|remains|should|must|might|may|that|which|who|with|at|from|by|a|an|the|he|"
    r"she|it|they|we|you|i|his|her|their|after|before|each|every|total|altogether|and|or|"
    r"still|now|tall|long|high|wide|deep|old|far|away|weaker|taller|longer|shorter|older|"
    r"younger|heavier|lighter|higher|faster|slower|larger)"
)
_COMMON: Final = re.compile(
    r"(?:how|many|much|what|the|and|did|doe|will|would|can|hav|ha|had|sh|she|he|they|her|his|their|for|"
    r"are|was|were|with|from|that|this|all|any|each|per|now|him|them)"
)
_MORE: Final = frozenset(("more", "less", "fewer", "additional", "extra"))
_MONEY: Final = re.compile(
    r"how much (?:money|change|profit|does it cost|[a-z' ]{0,40}\b(?:cost|spend|spent|pay|paid|"
    r"earn|earned|make|made|save|saved|owe|charge|worth|raise|raised|sell|profit))|"
    r"\b(?:price|cost|profit|salary|income|revenue|bill|tip|wage|dollars)\b[^.?]{0,60}\?",
    re.IGNORECASE,
)
_PERCENT: Final = re.compile(
    r"\b(?:what|how many|how much|as a)\b[a-z ]{0,12}\s?(?:percent|%)", re.I
)
_UNITS: Final = (
    (r"how (?:long|much time)", "second minute hour day week month year"),
    (r"how old|\bage\b", "year"),
    (r"how (?:far|long|tall|high|wide|deep)", "mile foot inch meter metre kilometer km m cm yard"),
    (r"how (?:heavy|much [^.?]{0,40}weigh)", "pound kilogram kg gram ounce ton lb lbs"),
    (r"how fast", "mph mile kilometer km"),
)
_IRREGULAR: Final = {
    "people": "person",
    "children": "child",
    "men": "man",
    "women": "woman",
    "feet": "foot",
    "teeth": "tooth",
    "mice": "mouse",
    "geese": "goose",
    "pennies": "penny",
}
_PAST: Final = dict(
    pair.split(":")
    for pair in [
        "sold:sell",
        "made:mak",
        "bought:buy",
        "spent:spend",
        "ate:eat",
        "gave:giv",
        "left:leav",
        "remain:leav",
        "remaining:leav",
        "remained:leav",
        "got:get",
        "paid:pay",
        "won:win",
        "ran:run",
        "drove:driv",
        "took:tak",
        "lost:los",
        "found:find",
        "built:build",
        "sent:send",
        "wrote:writ",
        "drank:drink",
        "brought:bring",
        "grew:grow",
        "kept:keep",
        "taught:teach",
        "caught:catch",
        "threw:throw",
    ]
)


_COUNTED: Final = re.compile(r"([$€£])?([0-9][0-9,.]*)(?:\s((?:[A-Za-z'-]{3,20}\s?){1,3}))?")


class AskedFor(NamedTuple):
    """What a question asks for, taken from the sentence that asks.

    ``nouns``: the words of "how many X", head last; ``units``: those that would answer;
    ``words``: all of its words, as stems; ``figures``: the whole question's numbers;
    ``counted``: the same with what they count, as :func:`counted` gives it.
    """

    nouns: tuple[str, ...] = ()
    units: frozenset[str] = frozenset()
    money: bool = False
    percent: bool = False
    more: bool = False
    together: bool = False
    words: frozenset[str] = frozenset()
    figures: frozenset[str] = frozenset()
    counted: frozenset[tuple[str, str]] = frozenset()

    @property
    def unit(self) -> str:
        """The one unit or noun that is asked for, in the singular; "" if there is none."""
        return self.nouns[-1] if self.nouns else ""


@lru_cache(maxsize=500)
def asked_for(question: str) -> AskedFor:
    """Find what a question asks for in its last sentence that asks."""
    question = question.strip()
    asks = [part for part in re.split(r"(?<=[.?!])\s|\n", question) if _asks(part)]
    told = frozenset(figures(question))
    if not asks:
        return AskedFor(figures=told)
    sentence = asks[-1]
    many = _HOW_MANY.search(sentence)
    nouns = _noun_phrase(many[1]) if many else ()
    units = frozenset(
        unit for cue, names in _UNITS for unit in names.split() if re.search(cue, sentence, re.I)
    )
    return AskedFor(
        nouns=nouns,
        units=frozenset() if nouns else units,
        money=nouns in (("money",), ("dollar",)) or bool(not nouns and _MONEY.search(sentence)),
        percent=bool(_PERCENT.search(sentence)),
        more=bool(
            re.search(
                r"\bhow (?:many|much)\b.{0,25}?\b(?:more|less|fewer|\w{2,9}er)\b", sentence, re.I
            )
        ),
        together=bool(re.search(r"\b(?:total|together|altogether|in all|combined)\b", sentence)),
        figures=told,
        counted=counted(question),
        words=content(_main_clause(sentence)),
    )


def counted(text: str) -> frozenset[tuple[str, str]]:
    """Pair each number with each word right after it: ``3 red cups`` gives "red" and "cups"."""
    return frozenset(
        (number, stem(word))
        for amount in _COUNTED.finditer(text)
        for number in figures(amount[2])
        for word in (amount[1] or amount[3] or "").split()
    )


def _asks(sentence: str) -> bool:
    return sentence.endswith("?") or bool(
        re.search(r"\b(?:how (?:many|much|long|old|far|fast|tall)|find|calculate|what)\b", sentence)
    )


def content(text: str) -> frozenset[str]:
    """The content words of a text, without their inflections."""
    words = map(root, re.findall(r"[^\W\d]{3,30}", text))
    return frozenset(word for word in words if not _COMMON.fullmatch(word))


def _main_clause(sentence: str) -> str:
    """The clause that asks, without the conditions before and after it."""
    asks = re.search(r"\b(?:how|what|find|calculate)\b", sentence, re.IGNORECASE)
    main = sentence[asks.start() :] if asks else sentence
    return re.split(r"\b(?:if|when|after|before|given|while|once)\b", main, maxsplit=1)[0]


def _noun_phrase(words: str) -> tuple[str, ...]:
    phrase: list[str] = []
    for word in words.split():
        if _PHRASE_ENDS.fullmatch(word.lower()):
            break
        if word.lower() not in _MORE:
            phrase.append(stem(word))
    return tuple(phrase)


def stem(word: str) -> str:
    """The word's approximate singular, good enough to compare words."""
    word = re.sub(r"'s?$", "", word.lower().strip('.,;:!?"()*'))
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zes", "oes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 2 else word


def root(word: str) -> str:
    """The word's approximate base form, good enough to compare words: ``sold`` is ``sell``."""
    word = stem(word)
    if word in _PAST:
        return _PAST[word]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            word = word.removesuffix(ending)
            return word[:-1] if word[-1] == word[-2] and word[-1] not in "ls" else word
    return word.removesuffix("e") if len(word) > 3 else word
