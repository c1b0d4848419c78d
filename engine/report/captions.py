"""The figures' captions, on the HTML page and in LaTeX."""

from __future__ import annotations

INTERVALS = "95 % intervals: of one seed over its questions, of three or more over the seeds"
LINES = f"Whiskers, and bands around the dashed teacher and the dotted baseline: {INTERVALS}."
BARS_SHOW = "Accuracy on the task that each student was trained on,"
FRACTIONS_SHOW = (
    "Accuracy with the plain prompt after training on a part of the demonstrations. Methods stand "
    "a little apart, so that their whiskers can be told."
)
MATRIX_SHOWS = (
    "Accuracy of the refined students with the plain prompt, by the task trained on and the task "
    f"evaluated on. In brackets {INTERVALS}."
)
REASONING_SHOWS = (
    "Left: share of the answers that reason in steps. Right: their mean length. Bars: mean over "
    "students, the tasks they were trained on (of teachers and baselines all tasks) and seeds; "
    "dots: each of them."
)
CURVES_SHOW = (
    "Training curves, a line a training; where one was done with several seeds they are thin, and "
    "their mean is thick, as far as all of them go. "
    "Refine's loss holds the likelihood term where one is set; the margin is how much more the "
    "policy's log-probability of the chosen answer rose than that of the rejected one, times beta."
)
