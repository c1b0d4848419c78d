"""Where a text without a box states its mathematical answer."""

from __future__ import annotations

import pytest

from engine.scoring.extraction import extract
from engine.scoring.formula import same_formula

STATED = [
    (r"Final Answer: The final answer is $\frac{1}{2}$. I hope it is correct.", r"\frac12"),
    ("Adding up gives it.\n\n# Answer\n\n42", "42"),
    ("The answer is:\n\n$$x = 7$$\n", "7"),
    ("The final answer is:\n\\[\n10\n\\]", "10"),
    ("**Answer:** $\\frac{7}{8}$", r"\frac78"),
    ("So the answer is 5, because 5 + 2 = 7.", "5"),
    ("The answer is 5.\n\nTo check: 5 + 2 = 7, which is right.", "5"),
    ("The answer to this is 9, since there are 9 cubes below 1000.", "9"),
    ("So the answer is the price must fall by 20% to undo a rise of 25%.", "20"),
    (r"So the answer is the largest value of $(a-b)^2$ is $16.$", "16"),
    (r"So the answer is $\dbinom{101}{2}=5,050$.", "5050"),
    ("The answer is all real numbers.", "all real numbers"),
    ("Answer: Mondays", "mondays"),
    ('{"reasoning": "We add.", "answer": "\\\\frac{1}{2}"}', r"\frac12"),
    ('```json\n{\n "answer": 78\n}\n```', "78"),
    ("So it is $3x$.\n#### 3x", "3x"),
]
CONCLUDED = [
    ("Therefore, the roots are $x = 2$ and $x = -3$.", "2,-3"),
    ("So x = 2 or x = -3.", "2,-3"),
    ("Hence the point is (3, 4).", "(3,4)"),
    ("Finally, the line is y = 2x + 3.", "y=2x+3"),
    ("Thus the area is 12π square units.", r"12\pi"),
    ("We find the distance: it is 2√13.", r"2\sqrt{13}"),
    ("So, there are 24 ways to arrange the 4 books.", "24"),
    ("Hence, there are 12 such integers below 105 that are odd.", "12"),
    (r"Therefore, the probability is $\frac{3}{10}$, or 30%.", r"\frac{3}{10}"),
    ("The ticket costs $12 and the meal $13, so the total is $25.", "25"),
    (r"Therefore, the total cost is \$18.50.", "18.5"),
    ("Hence $a = 3$, $b = 5$ and $a + b = 8$", "8"),
    (r"Thus $\frac{m}{n} = \frac{3}{7}$, so $m + n = 10$.", "10"),
    ("Thus,\n\\[\n\\frac{a}{b} = \\frac{12}{5}.\n\\]", r"\frac{12}{5}"),
    ("Thus the value of $k$ is 6.", "6"),
    ("So 6 is the value of $k$.", "6"),
    (r"Thus, the area of triangle \(PQR\) is 8.", "8"),
    (r"Thus, the length is $\sqrt{65} \approx 8.06$.", r"\sqrt{65}"),
    (r"Thus, the largest is $\sqrt{65}$ which is about $8.06$.", r"\sqrt{65}"),
    (r"Therefore $2^{4} \cdot 3 = 48$ is the product.", "48"),
    ("Therefore, the sum is 11.\n\nLet me know if these 3 steps are clear!", "11"),
    ("So the set is {1, 2, 3}.", r"\{1,2,3\}"),
    ("Thus the ratio of the areas is 9:16.", "9:16"),
    ("Therefore, the base in which $4 \\times 5 = 26$ is base 7.", "7"),
    ("Since 7 leaves 0, the value is the first of them, which is 3.", "3"),
]
LAST = [
    ("Answer: Let $n$ be the number of pens.\nThen $n = 5$.", "5"),
    (r"The measure of $\angle ABC$ is $75^\circ$.", "75"),
    ("The remainder is 2 when 2^10 is divided by 7.", "2"),
    ("In base 5, the sum is $1234_5$.", "1234_5"),
    ("There are 5! = 120 orders.", "120"),
    ("$12$", "12"),
    ("x^2 + 1", "x^2+1"),
]
TEXTS = [
    (text, answer, tier)
    for table, tier in ((STATED, "statement"), (CONCLUDED, "conclusion"), (LAST, "last_value"))
    for text, answer in table
]


@pytest.mark.parametrize(("text", "answer", "tier"), TEXTS)
def test_what_a_text_states(text, answer, tier):
    found = extract("math", text)
    assert found.answer is not None
    assert same_formula(answer, found.answer), found
    assert found.tier == ("hash" if "####" in text else tier)


SAID = r"""
Answer: 60 degrees => 60
Answer: −5 => -5
Answer: 10 000 => 10000
Answer: 1 1/2 => \frac32
Answer: 0.\overline{3} => \frac13
Answer: 2*sqrt(3) => 2\sqrt3
Answer: ln 2 => \ln 2
Answer: x ≥ 3 => [3,\infty)
Answer: $x = 2, y = 3$ => x=2,y=3
Answer: Yes, because 4 is even. => yes
The answer, in simplest radical form, is $4\sqrt{5}$. => 4\sqrt5
This gives us our answer of 42. => 42
The correct answer should be 42. => 42
The final answer is (D) 12. => 12
I get 42 as my answer. => 42
Hence, the number is \( \boxed{} \) 12. => 12
Thus, the probability is 5/36 ≈ 0.139. => 5/36
He must score at least 97 points on the 5th test. => 97
The largest possible value is 100, achieved when a = 25 and b = 4. => 100
The minimum is 3, which occurs at x = 1, y = 1. => 3
So, $k = 2$ or $k = -5$; the sum is $-3$. => -3
The two roots are $x = 1$ and $x = 4$, so the positive difference is $3$. => 3
Therefore $a = \frac{1}{2}$ and $b = 3$, giving $ab = \frac{3}{2}$. => \frac32
The solution of the first is x = 4. Hence 2x + 1 = 9. => 9
Thus, $(a, b, c) = (1, 2, 3)$, and $a+b+c = 6$. => 6
The simplified form is $\frac{x+1}{x-2}$, where $x \ne 2$. => \frac{x+1}{x-2}
Therefore, the smallest positive integer is 12, which is option (B). => 12
Therefore, 13 is the answer. => 13
We find that the least a^2 + b^2 occurs when a = b, leading to the result that the least is 8. => 8
The area is 5 when x = 2, so the volume is 15. => 15
Therefore, 75% of them passed. => 75
She has 3 shirts and 4 caps, so there are 3 × 4 = 12 outfits. => 12
The factored form is (x - 2)(x + 5). => x^2+3x-10
Therefore, the area is \( 12 \, \text{cm}^2 \). => 12
The result is 1.5 × 10^6. => 1500000
"""


@pytest.mark.parametrize("line", SAID.strip().splitlines())
def test_what_a_sentence_says(line):
    text, _, answer = line.partition(" => ")
    found = extract("math", text).answer
    assert found is not None
    assert same_formula(answer, found), found


def test_the_value_and_not_the_variable():
    assert extract("math", "Hence $x = 5$.").answer == "5"
    assert extract("math", "Thus the area is\n$$A = 3 \\cdot 4 = 12.$$").answer == "12"


@pytest.mark.parametrize("text", ["", "No idea.", r"Fill in \boxed{", "The answer is:", "$$", "x"])
def test_no_value_no_answer(text):
    assert extract("math", text).answer is None


def test_a_text_that_was_cut_off_states_only_what_it_says_it_does():
    derivation = "The first term is $3$. The second is $5$"
    assert extract("math", derivation).tier == "last_value"
    assert extract("math", derivation, cut_off=True).answer is None
    assert extract("math", f"The answer is 8. {derivation}", cut_off=True).answer == "8"


def test_what_is_said_far_from_the_end_is_not_looked_for():
    steps = "Then we go on and on. " * 1_000
    assert extract("math", f"The answer is 3. {steps} So it is 4.").answer == "4"
