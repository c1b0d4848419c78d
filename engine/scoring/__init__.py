"""Extracts answers from a model's texts, compares them with the targets and computes scores.

==============  =================================================================
``text``        a model's text with its mark-up made plain
``thinking``    a model's thinking before its answer, as its template marks it
``own_turn``    the part of a reply that is the model's own turn
``boxed``       what stands in LaTeX's ``\\boxed{}``
``extraction``  which answer a text gives, and by which rule (the *tier*)
``choice``      the tiers for option letters
``number``      the tiers for numbers, and when two are equal
``statement``   where a text states a number as its answer
``closing``     what number a text concludes at its end
``numerals``    numbers as people write them, rewritten in digits
``compound``    quantities in two units, rewritten in the one that is asked for
``quantity``    numbers in a text, and where they stand
``conclusion``  which of a sentence's numbers is what was asked for
``equation``    what equations come to, and which numbers are only their terms
``shape``       a sentence's shape: its main clause, and what is said by the way
``asked_for``   what a question asks for, in its own wording
``unanswered``  whether a text gives up on its question, or was cut off
``expression``  the tiers for mathematical expressions
``mathvalues``  the mathematical values in a sentence, as math-verify finds them
``formula``     when two mathematical expressions are equal
``latex``       an expression's structure: lists, brackets, relations, scalars
``scalar``      a scalar's value, if all of it was understood
``units``       units behind a number
``verdict``     extraction and comparison with the target
``legacy``      the authors' matcher, for comparison only
``steps``       does a text reason, or answer at once
``statistics``  intervals of accuracies and differences, and tests
``score``       predictions -> Score
==============  =================================================================
"""
