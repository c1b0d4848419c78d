"""Generates the pocket questions from a seed, and splits them by content, not by wording.

Every question has a *form*: its operations and numbers (or swaps, or turns) with names, objects
and the order of the choices taken away. A stable hash of the form decides its split, so no
rewording of a test question can ever be drawn for training.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from engine.tasks.prompts import LETTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.interfaces import Split

TEST_SHARE: Final = 8  # one form in eight is kept for testing
LARGEST: Final = 30  # no number in a sum, on the way or at its end, is larger

GIRLS: Final = ("Mia", "Ann", "Zoe", "Eva", "Lily", "Rosa", "Nina", "Kate")
BOYS: Final = ("Tom", "Ben", "Max", "Sam", "Leo", "Jack", "Paul", "Omar")
THINGS: Final = (
    "shells", "coins", "cards", "books", "stamps", "apples", "pens", "cups",
    "stones", "beads", "nuts", "keys",
)  # fmt: skip
COLOURS: Final = ("red", "blue", "green", "white", "black")
TREASURES: Final = ("coin", "ring", "ball", "key", "bell", "pearl")
PLACES: Final = (
    "bank", "park", "school", "shop", "church", "bridge", "farm", "market", "tower",
    "lake", "mill", "inn",
)  # fmt: skip
HEADINGS: Final = ("north", "east", "south", "west")
TURNS: Final = {"right": 1, "around": 2, "left": 3}


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with its worked solution, before any family's wording.

    Attributes:
        task: the task's name, such as ``pocket-sums``.
        form: what the question asks, free of names and of the order of the choices.
        question: the text after ``Question:``.
        choices: option texts in the order of their letters; empty for sums.
        answer: the right option's text, or the right number.
        start: where the tracked thing is, or where the walker heads, before the first step.
        steps: the words of each step, its result last.
    """

    task: str
    form: str
    question: str
    choices: tuple[str, ...]
    answer: str
    start: str
    steps: tuple[tuple[str, ...], ...]

    @property
    def letter(self) -> str:
        """The right option's letter; empty for sums."""
        return LETTERS[self.choices.index(self.answer)] if self.choices else ""


def split_of(form: str) -> Split:
    """The split of a form; the same in every process, on every machine."""
    digest = hashlib.sha256(form.encode()).digest()
    return "test" if digest[0] % TEST_SHARE == 0 else "train"


def draw(task: str, rng: Random, split: Split, letter: str = "") -> Problem:
    """One random problem of ``split``; for a choice task ``letter`` fixes the right option."""
    make = MAKERS[task]
    while True:
        problem = make(rng, letter)
        if split_of(problem.form) == split:
            return problem


def pool(task: str, split: Split, size: int, seed: int = 0) -> list[Problem]:
    """``size`` problems with different questions, their right letters equally frequent."""
    rng = Random(f"{task}/{split}/{seed}")
    letters = [_letter(task, i) for i in range(size)]
    rng.shuffle(letters)
    found: dict[str, Problem] = {}
    while len(found) < size:
        problem = draw(task, rng, split, letters[len(found)])
        found.setdefault(problem.question, problem)
    return list(found.values())


def _letter(task: str, index: int) -> str:
    count = CHOICES[task]
    return LETTERS[index % count] if count else ""


# --- sums: a number of things goes through two to four events ---------------------------------

# {n} is the event's number, {who} the pronoun, {other} somebody else.
EVENTS: Final[dict[str, tuple[str, ...]]] = {
    "+": ("{who} finds {n} more.", "{who} buys {n} more.", "{other} gives {n} more."),
    "-": ("{who} loses {n}.", "{who} sells {n}.", "{who} gives {n} to {other}."),
    "x": ("{who} makes it {n} times as many.", "{who} then has {n} times as many."),
    "/": ("{who} shares them in {n} equal parts and keeps one part.",),
}


def _sums(rng: Random, _: str) -> Problem:
    total = first = rng.randint(4, 25)
    steps: list[tuple[str, ...]] = []
    for _step in range(rng.choice((2, 3, 3, 4, 4))):
        sign, number, result = _event(rng, total)
        steps.append((str(total), sign, str(number), str(result)))
        total = result
    who, pronoun, other = _people(rng)
    thing = rng.choice(THINGS)
    events = (
        rng.choice(EVENTS[sign]).format(who=pronoun, other=other, n=number)
        for _, sign, number, _ in steps
    )
    return Problem(
        task="pocket-sums",
        form=f"sums {first} " + " ".join(sign + number for _, sign, number, _ in steps),
        question=f"{who} has {first} {thing}. {' '.join(events)} "
        f"How many {thing} does {who} have now?",
        choices=(),
        answer=str(total),
        start=str(first),
        steps=tuple(steps),
    )


def _event(rng: Random, total: int) -> tuple[str, int, int]:
    """An operation that keeps the total a whole number from 1 to ``LARGEST``."""
    while True:
        sign = rng.choice("+++---x/")
        if sign == "+" and total < LARGEST:
            number = rng.randint(1, min(10, LARGEST - total))
            return sign, number, total + number
        if sign == "-" and total > 1:
            number = rng.randint(1, min(10, total - 1))
            return sign, number, total - number
        number = rng.randint(2, 5)
        if sign == "x" and total * number <= LARGEST:
            return sign, number, total * number
        if sign == "/" and total % number == 0:
            return sign, number, total // number


def _people(rng: Random) -> tuple[str, str, str]:
    """A name, its pronoun, and somebody else's name."""
    who = rng.choice(GIRLS + BOYS)
    other = rng.choice([name for name in GIRLS + BOYS if name != who])
    return who, "She" if who in GIRLS else "He", other


# --- boxes: a thing is tracked through four or five swaps of five boxes -----------------------
# The options of a choice task stand in one fixed order: tiny models do not learn, in minutes, to
# find the letter in front of a word, and the task is about the steps.


def _boxes(rng: Random, letter: str) -> Problem:
    boxes = list(range(len(COLOURS)))
    start = place = rng.choice(boxes)
    moves: list[tuple[int, int, int]] = []
    for _ in range(rng.choice((4, 5))):
        one, two = _pair(rng, boxes, place)
        place = two if place == one else one if place == two else place
        moves.append((one, two, place))
    colour = rng.sample(COLOURS, len(COLOURS))
    if letter:
        wanted = colour.index(COLOURS[LETTERS.index(letter)])
        colour[place], colour[wanted] = colour[wanted], colour[place]
    names = rng.sample(GIRLS + BOYS, len(moves))
    steps = tuple(
        (name, colour[one], colour[two], colour[now])
        for name, (one, two, now) in zip(names, moves, strict=True)
    )
    treasure = rng.choice(TREASURES)
    swaps = " ".join(f"{name} swaps {one} and {two}." for name, one, two, _ in steps)
    return Problem(
        task="pocket-boxes",
        form="boxes " + _relabel(colour[start], steps),
        question=f"The {treasure} is in the {colour[start]} box. {swaps} "
        f"Where is the {treasure} now?",
        choices=COLOURS,
        answer=colour[place],
        start=colour[start],
        steps=steps,
    )


def _pair(rng: Random, boxes: list[int], place: int) -> tuple[int, int]:
    """Two boxes to swap; two times in three the thing's own box is one of them."""
    others = [box for box in boxes if box != place]
    pair = [place, rng.choice(others)] if rng.random() < 2 / 3 else rng.sample(others, 2)
    rng.shuffle(pair)
    return pair[0], pair[1]


def _relabel(start: str, steps: Sequence[tuple[str, ...]]) -> str:
    """The swaps with colours numbered by first appearance; a swap's two sides are one set."""
    number = {start: 0}
    words = []
    for _, one, two, _ in steps:
        fresh = tuple(c for c in (one, two) if c not in number)
        # Two new colours in one swap are alike until a later swap tells them apart: number
        # first the one that is sooner touched alone.
        if len(fresh) == 2 and _first_alone(fresh[1], fresh, steps) < _first_alone(
            fresh[0], fresh, steps
        ):
            fresh = fresh[::-1]
        for colour in fresh:
            number[colour] = len(number)
        words.append("".join(map(str, sorted((number[one], number[two])))))
    return " ".join(words)


def _first_alone(colour: str, pair: tuple[str, ...], steps: Sequence[tuple[str, ...]]) -> int:
    """The first step that touches ``colour`` but not the rest of ``pair``."""
    other = next(c for c in pair if c != colour)
    touched = (i for i, step in enumerate(steps) if colour in step[1:3] and other not in step[1:3])
    return next(touched, len(steps))


# --- compass: a walker makes four to six turns ------------------------------------------------


def _compass(rng: Random, letter: str) -> Problem:
    places = rng.sample(PLACES, rng.randint(4, 6))
    turns = [rng.choice(tuple(TURNS)) for _ in places]
    end = LETTERS.index(letter) if letter else rng.randrange(4)
    heading = (end - sum(TURNS[turn] for turn in turns)) % 4
    start = HEADINGS[heading]
    steps: list[tuple[str, ...]] = []
    for place, turn in zip(places, turns, strict=True):
        heading = (heading + TURNS[turn]) % 4
        steps.append((place, turn, HEADINGS[heading]))
    who, pronoun, _ = _people(rng)
    path = ", ".join(f"{turn} at the {place}" for place, turn, _ in steps)
    return Problem(
        task="pocket-compass",
        form=f"compass {start} " + " ".join(turns),
        question=f"{who} walks {start}. {pronoun} turns {path}. Which way does {who} walk now?",
        choices=HEADINGS,
        answer=HEADINGS[end],
        start=start,
        steps=tuple(steps),
    )


MAKERS: Final[dict[str, Callable[[Random, str], Problem]]] = {
    "pocket-sums": _sums,
    "pocket-boxes": _boxes,
    "pocket-compass": _compass,
}
CHOICES: Final = {"pocket-sums": 0, "pocket-boxes": 5, "pocket-compass": 4}
