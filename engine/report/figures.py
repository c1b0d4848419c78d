"""The paper's figures: each function draws one from a study, or returns None if it can't."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from engine.queries.study import (
    PROMPTS,
    TAUGHT,
    Condition,
)
from engine.report.captions import (
    BARS_SHOW,
    CURVES_SHOW,
    FRACTIONS_SHOW,
    LINES,
    MATRIX_SHOWS,
    REASONING_SHOWS,
)  # fmt: skip
from engine.report.layout import (
    PANELS_WIDE,
    error,
    legend,
    level,
    names,
    panels,
    percent_axis,
    who,
)  # fmt: skip
from engine.report.style import (
    COLOURS,
    COLUMN,
    HATCHES,
    INK,
    LIGHT_FROM,
    MARKERS,
    SOFT,
    files,
    styled,
)  # fmt: skip
from engine.schema.accuracy import Estimate
from engine.schema.kinds import resolve
from engine.schema.metrics import METRICS
from engine.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from engine.queries.study import Prompt, Study
    from engine.schema.accuracy import Accuracy
    from engine.schema.run_spec import Arm

BARS: tuple[Arm, ...] = ("baseline", "instruct-only", "refine-only", "both")
TASKS_FIT, TRAINING_FITS = 4, 16  # columns, and characters of a row's name, of half a page


@dataclass(frozen=True, slots=True)
class Curve:
    """One training metric of a run's phase, as steps and values."""

    condition: Condition
    seed: int
    kind: str
    metric: str
    points: tuple[tuple[int, float], ...]

    @property
    def trained(self) -> Condition:
        """The condition that was trained; every later arm shares an instruct phase's."""
        if self.kind != "instruct":
            return self.condition
        return replace(self.condition, arm="instruct-only", refine_task=None, rounds=1)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A finished figure. ``slug``: the name of its files; ``caption``: all that a reader must know;
    ``wide``: whether it spans the page rather than one column."""

    slug: str
    caption: str
    wide: bool
    svg: bytes
    pdf: bytes
    png: bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """A kind of figure; ``draw`` returns None when a study has no data for it."""

    slug: str
    caption: str
    draw: Callable[[Study, Sequence[Curve]], Figure | None]


FIGURES = (
    "engine.report.figures:BARS_PLAIN",
    "engine.report.figures:BARS_COT",
    "engine.report.figures:LOW_RESOURCE",
    "engine.report.figures:MATRIX",
    "engine.report.figures:REASONING",
    "engine.report.figures:TRAINING",
)


def draw(study: Study, curves: Sequence[Curve]) -> Iterator[Drawn]:
    """Draw every figure for which the study has data."""
    for picture in map(resolve, FIGURES):
        with styled():
            figure = picture.draw(study, curves)
            if figure is not None:
                wide = figure.get_figwidth() > COLUMN
                yield Drawn(picture.slug, picture.caption, wide, *files(figure))


def bars(study: Study, prompt: Prompt) -> Figure | None:
    """Draw each step's accuracy on the task trained on, below a line for the teacher's own."""
    pairs = list(dict.fromkeys(one.pair for one in study.of_arm(*TAUGHT)))
    tasks = list(dict.fromkeys(one.task for one in study.of_arm(*TAUGHT) if one.usual and one.task))
    if not any(cell[2] == prompt for cell in study.accuracies) or not tasks:
        return None
    arms = [arm for arm in BARS if study.of_arm(arm)]
    figure, plots = panels(len(pairs), 2.2)
    for axes, (student, teacher, in_family) in zip(plots, pairs, strict=True):
        width = 0.8 / len(arms)
        for number, arm in enumerate(arms):
            for place, task in enumerate(tasks):
                trained = (teacher, in_family, task) if arm != "baseline" else ()
                found = study.reached(Condition(arm, student, *trained), task, prompt)
                if found is None:
                    continue
                axes.bar(
                    place + (number - (len(arms) - 1) / 2) * width,
                    100 * found.value,
                    width,
                    yerr=error(found),
                    color=COLOURS[arm],
                    hatch=HATCHES[arm],
                    edgecolor="white",
                    linewidth=0.4,
                    error_kw={"elinewidth": 0.7, "capsize": 1.5},
                    label=arm,
                )
        for place, task in enumerate(tasks):
            own = study.reached(Condition("teacher", None, teacher), task, prompt)
            if own is not None:
                level(axes, own, "teacher", place - 0.45, place + 0.45)
        names(axes, tasks)
        axes.set_title(who(student, teacher, in_family))
        percent_axis(axes)
    legend(figure, plots)
    return figure


def fractions(study: Study) -> Figure | None:
    """Plot accuracy (plain prompt) over the share of demonstrations, a panel per pair and task."""
    taught = study.of_arm(*TAUGHT)
    shares = sorted({one.fraction for one in taught})
    cells = list(dict.fromkeys((*one.pair, one.task) for one in taught if not one.refine_task))
    if len(shares) < 2:
        return None
    figure, plots = panels(len(cells), 2.1)
    for axes, (student, teacher, in_family, task) in zip(plots, cells, strict=True):
        own = Condition("both", student, teacher, in_family, task)
        for number, arm in enumerate(TAUGHT):
            apart = 1.6 * (number - (len(TAUGHT) - 1) / 2)
            at = [(share, replace(own, arm=arm, fraction=share)) for share in shares]
            reached = [(share, study.reached(one, task or "", "plain")) for share, one in at]
            if points := [(share, found) for share, found in reached if found]:
                errors = [error(found) for _, found in points]
                axes.errorbar(
                    [share + apart for share, _ in points],
                    [100 * found.value for _, found in points],
                    yerr=[[e[0][0] for e in errors], [e[1][0] for e in errors]],
                    color=COLOURS[arm],
                    marker=MARKERS[arm],
                    capsize=2,
                    label=arm,
                )
        lines: tuple[tuple[Arm, Condition], ...] = (
            ("teacher", Condition("teacher", None, teacher)),
            ("baseline", Condition("baseline", student)),
        )
        for arm, bare in lines:
            found = study.reached(bare, task or "", "plain")
            if found is not None:
                level(axes, found, arm, shares[0] - 4, shares[-1] + 4)
        axes.set_xticks(shares)
        axes.set_xlabel("demonstrations, %")
        axes.set_title(f"{task}\n{who(student, teacher, in_family)}")
        percent_axis(axes)
    legend(figure, plots)
    return figure


def matrix(study: Study) -> Figure | None:
    """Draw a heat map of refined students' plain accuracy: task trained on by task evaluated on."""
    refined = [one for one in study.of_arm("both") if one.fraction == 100]
    pairs = list(dict.fromkeys(one.pair for one in refined))
    if not refined or len(study.tasks) < 2:
        return None
    by_pair = [[one for one in refined if one.pair == pair] for pair in pairs]
    height = 1.1 + 0.3 * max(map(len, by_pair))
    longest = max(len(_training_name(one)) for one in refined)
    narrow = len(pairs) > 1 and len(study.tasks) <= TASKS_FIT and longest <= TRAINING_FITS
    most = PANELS_WIDE if narrow else 1
    figure, plots = panels(len(pairs), height, most)
    for axes, pair, rows in zip(plots, pairs, by_pair, strict=True):
        _heat(axes, _by_task(study, rows))
        axes.set_title(who(*pair))
    for axes in plots[::most]:
        axes.set_ylabel("trained on")
    figure.colorbar(
        plots[0].images[0], ax=plots, label="right, %", pad=0.01,
        aspect=15, shrink=1 / len(plots[::most]), anchor=(0, 1),
    )  # fmt: skip
    return figure


def _training_name(one: Condition) -> str:
    return ", ".join((one.trained_on, *one.variant))


def _by_task(study: Study, rows: Sequence[Condition]) -> Table:
    body = (
        (_training_name(one), *(study.reached(one, task, "plain") for task in study.tasks))
        for one in rows
    )
    return Table(("trained on", *study.tasks), tuple(body))


def _heat(axes: Axes, table: Table) -> None:
    """Draw a table's estimates as coloured cells that hold the accuracy and its interval."""
    import numpy as np

    found = [[e if isinstance(e, Estimate) else None for e in row[1:]] for row in table.rows]
    values = np.array([[100 * e.value if e else np.nan for e in line] for line in found])
    axes.imshow(values, cmap="cividis", vmin=0, vmax=100, aspect="auto")
    centre: dict[str, Any] = {"ha": "center", "va": "center"}
    for y, line in enumerate(found):
        for x, one in enumerate(line):
            if one is None:
                axes.text(x, y, "–", **centre)
                continue
            colour = "white" if 100 * one.value < LIGHT_FROM else "black"
            beside = one.interval or one.spread
            number = f"{100 * one.value:.1f}"
            axes.text(x, y - 0.14, number, color=colour, **centre)
            axes.text(x, y + 0.24, beside, color=colour, size=5.5, **centre)
    names(axes, table.headers[1:])
    axes.set_yticks(range(len(found)), [row[0] for row in table.texts])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("evaluated on")


def reasoning(study: Study) -> Figure | None:
    """Draw how often answers reason in steps, and their length, by method and prompt: means over
    students, tasks and seeds, of trainings on all demonstrations."""
    from matplotlib.patches import Patch

    arms: tuple[Arm, ...] = ("teacher", *BARS)
    shown = [arm for arm in arms if study.of_arm(arm)]
    if not shown:
        return None
    figure, (left, right) = panels(2, 2.1)
    for number, prompt in enumerate(PROMPTS):
        hatch = "////" if prompt == "cot" else ""
        for place, arm in enumerate(shown):
            found = _accuracies(study, arm, prompt)
            at = place + (number - 0.5) * 0.4
            shares = [100 * one.with_steps for one in found]
            tokens = [one.mean_tokens for one in found if one.mean_tokens]  # of none from a file
            for axes, values in ((left, shares), (right, tokens)):
                if values:
                    axes.bar(at, fmean(values), 0.4, color=SOFT, hatch=hatch, edgecolor=INK, lw=0.5)
                    axes.plot([at] * len(values), values, ".", color=INK, ms=3, alpha=0.6)
    for axes, label in ((left, "answers with steps, %"), (right, "tokens an answer")):
        names(axes, [arm for arm in shown])
        axes.set_ylabel(label)
    left.set_ylim(-1, 103)
    prompts = [
        Patch(facecolor=SOFT, edgecolor=INK, lw=0.5, hatch=hatch, label=label)
        for hatch, label in (("", "plain prompt"), ("////", "CoT prompt"))
    ]
    figure.legend(handles=prompts, loc="outside upper center", ncols=2)
    return figure


def _accuracies(study: Study, arm: Arm, prompt: Prompt) -> list[Accuracy]:
    """Return trained models' accuracies on their own tasks, and untrained models' on all tasks."""
    return [
        accuracy
        for (one, task, style), by_seed in study.accuracies.items()
        if (one.arm, style) == (arm, prompt)
        and one.full
        and (not one.own_tasks or task in one.own_tasks)
        for accuracy in by_seed.values()
    ]


def training(curves: Sequence[Curve]) -> Figure | None:
    """Plot training curves, a line per run, and a thick line for the mean over several seeds."""
    from matplotlib.ticker import MaxNLocator

    drawn = [
        (metric, kind, name)
        for metric in METRICS
        for kind in metric.phases
        for name in metric.reported
        if any((c.kind, c.metric) == (kind, name) for c in curves)
    ]
    if not drawn:
        return None
    figure, plots = panels(len(drawn), 1.9)
    for axes, (metric, kind, name) in zip(plots, drawn, strict=True):
        own = [c for c in curves if (c.kind, c.metric) == (kind, name)]
        for condition in dict.fromkeys(c.trained for c in own):
            seeds = [c for c in own if c.trained == condition]
            look: dict[str, Any] = {"color": COLOURS[condition.arm]}
            named = look | {"label": condition.arm}
            thin = named | {"lw": 1} if len(seeds) == 1 else look | {"lw": 0.6, "alpha": 0.5}
            for curve in seeds:
                axes.plot(*zip(*curve.points, strict=True), **thin)
            if mean := _mean_curve(seeds):
                axes.plot(*zip(*mean, strict=True), lw=1.6, **named)
        axes.set_title(kind if metric.series[name] == "train" else f"{kind}, {metric.series[name]}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        axes.set_xlabel("step")
        axes.set_ylabel(f"{metric.name}, {metric.unit}")
    legend(figure, plots)
    return figure


def _mean_curve(seeds: Sequence[Curve]) -> list[tuple[int, float]]:
    """Average the curves at the steps that all have; return nothing for a single curve."""
    if len(seeds) < 2:
        return []
    tables = [dict(curve.points) for curve in seeds]
    steps = sorted(set.intersection(*(set(table) for table in tables)))
    return [(step, fmean(table[step] for table in tables)) for step in steps]


BARS_PLAIN = Picture(
    "bars-plain",
    f"{BARS_SHOW} with the plain prompt. {LINES}",
    lambda study, _: bars(study, "plain"),
)
BARS_COT = Picture(
    "bars-cot", f"{BARS_SHOW} with the CoT prompt. {LINES}", lambda study, _: bars(study, "cot")
)
LOW_RESOURCE = Picture(
    "low-resource", f"{FRACTIONS_SHOW} {LINES}", lambda study, _: fractions(study)
)
MATRIX = Picture("matrix", MATRIX_SHOWS, lambda study, _: matrix(study))
REASONING = Picture("reasoning", REASONING_SHOWS, lambda study, _: reasoning(study))
TRAINING = Picture("curves", CURVES_SHOW, lambda _, curves: training(curves))
