"""The paper's figures: each function draws one of a study, or is None where it can't."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from engine.report.captions import (
    BARS_SHOW,
    CURVES_SHOW,
    FRACTIONS_SHOW,
    LINES,
    MATRIX_SHOWS,
    REASONING_SHOWS,
)  # fmt: skip
from engine.report.study import ARM_NAMES, PROMPTS, TAUGHT, Condition
from engine.report.style import (
    COLOURS,
    COLUMN,
    HATCHES,
    INK,
    LIGHT_FROM,
    MARKERS,
    PAGE,
    SOFT,
    files,
    styled,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from engine.contract.row import Cellmark
    from engine.contract.spec import Arm
    from engine.report.statistics import Estimate
    from engine.report.study import Prompt, Study

BARS: tuple[Arm, ...] = ("baseline", "instruct-only", "refine-only", "both")
PANELS_WIDE = 2
NAMES_FIT, TITLE_FITS = 34, 28  # characters
NAMES_IN_COLUMN = 3  # of a legend, side by side
WIDE_MATRIX = 4  # tasks; of more the panels stand below each other
CURVES = (
    ("instruct", "loss", "instruct", "loss, nats a token"),
    ("refine", "loss", "refine", "loss, nats a pair"),
    ("refine", "eval_loss", "refine, held-out pairs", "loss, nats a pair"),
    ("refine", "rewards/margins", "refine", "reward margin, nats"),
)


@dataclass(frozen=True, slots=True)
class Curve:
    """A training metric of one run's phase: steps and values."""

    condition: Condition
    seed: int
    kind: str
    metric: str
    points: tuple[tuple[int, float], ...]

    @property
    def arm(self) -> Arm:
        """An instruct phase serves every arm that comes after it."""
        return "instruct-only" if self.kind == "instruct" else self.condition.arm


@dataclass(frozen=True, slots=True)
class Drawn:
    """A finished figure. ``slug``: name of its files; ``caption``: all one has to know;
    ``wide``: as a page, not as one of its columns."""

    slug: str
    caption: str
    wide: bool
    svg: bytes
    pdf: bytes
    png: bytes


def draw(study: Study, curves: Sequence[Curve]) -> Iterator[Drawn]:
    """Every figure that the study can fill."""
    makers: list[tuple[str, str, Callable[[], Figure | None]]] = [
        ("bars-plain", f"{BARS_SHOW} with the plain prompt. {LINES}", lambda: bars(study, "plain")),
        ("bars-cot", f"{BARS_SHOW} with the CoT prompt. {LINES}", lambda: bars(study, "cot")),
        ("low-resource", f"{FRACTIONS_SHOW} {LINES}", lambda: fractions(study)),
        ("matrix", MATRIX_SHOWS, lambda: matrix(study)),
        ("reasoning", REASONING_SHOWS, lambda: reasoning(study)),
        ("curves", CURVES_SHOW, lambda: training(curves)),
    ]
    for slug, caption, make in makers:
        with styled():
            figure = make()
            if figure is not None:
                wide = figure.get_figwidth() > COLUMN
                yield Drawn(slug, caption, wide, *files(figure))


def _pairs(study: Study) -> list[tuple[str | None, str | None, bool | None]]:
    """Student, teacher and whether they are of one family."""
    taught = study.of_arm(*TAUGHT)
    return list(dict.fromkeys((one.student, one.teacher, one.in_family) for one in taught))


def _panels(count: int, height: float, most: int = PANELS_WIDE) -> tuple[Figure, list[Axes]]:
    """Axes in rows of at most ``most``, each ``height`` inches tall."""
    import matplotlib.pyplot as plt

    wide = min(count, most)
    tall = -(-count // wide)
    width = COLUMN if wide < most else PAGE
    figure, axes = plt.subplots(tall, wide, figsize=(width, height * tall), squeeze=False)
    flat = list(axes.flat)
    for unused in flat[count:]:
        unused.set_visible(False)
    return figure, flat[:count]


def _error(found: Estimate) -> list[list[float]]:
    """Below and above, in per cent, as matplotlib wants them."""
    low, high = _interval(found)
    return [[max(100 * found.mean - low, 0.0)], [max(high - 100 * found.mean, 0.0)]]


def _interval(found: Estimate) -> tuple[float, float]:
    """In per cent; t intervals may leave 0..100."""
    return 100 * max(found.low, 0.0), 100 * min(found.high, 1.0)


def _level(axes: Axes, found: Estimate, arm: Arm, left: float, right: float) -> None:
    """What a model reaches without training: a line with its interval as a band."""
    colour = COLOURS[arm]
    low, high = _interval(found)
    axes.fill_between([left, right], low, high, color=colour, alpha=0.15, lw=0)
    line = axes.hlines(100 * found.mean, left, right, colour, lw=1, label=ARM_NAMES[arm])
    line.set_linestyle("--" if arm == "teacher" else ":")


def _percent_axis(axes: Axes) -> None:
    """A little more than 0 to 100, so that what is at the ends can be seen."""
    axes.set_ylim(-1, 103)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel("right, %")


def _names(axes: Axes, names: Sequence[str]) -> None:
    """Under the axis; aslant where they would run into each other."""
    slanted = sum(map(len, names)) > NAMES_FIT
    turned: dict[str, Any] = {"rotation": 20, "ha": "right"} if slanted else {}
    axes.set_xticks(range(len(names)), names, **turned)


def _who(student: str | None, teacher: str | None, in_family: bool | None) -> str:
    family = "in-family" if in_family else "out-family"
    said = f"{student} taught by {teacher}"
    return f"{said}{' ' if len(said) < TITLE_FITS else chr(10)}({family})"


def _legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """One for all panels, above them; each name once."""
    known: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            known.setdefault(label, handle)
    ordered = [name for name in ARM_NAMES.values() if name in known]
    handles = [known[name] for name in ordered]
    columns = len(ordered) if figure.get_figwidth() > COLUMN else NAMES_IN_COLUMN
    figure.legend(handles, ordered, loc="outside upper center", ncols=columns)


def bars(study: Study, prompt: Prompt) -> Figure | None:
    """On the task trained on: what each step reaches, with the teacher's own line above it."""
    pairs = _pairs(study)
    tasks = list(dict.fromkeys(one.task for one in study.of_arm(*TAUGHT) if one.usual and one.task))
    if not any(cell[2] == prompt for cell in study.marks) or not tasks:
        return None
    figure, panels = _panels(len(pairs), 2.2)
    for axes, (student, teacher, in_family) in zip(panels, pairs, strict=True):
        width = 0.8 / len(BARS)
        for number, arm in enumerate(BARS):
            bare = arm == "baseline"
            for place, task in enumerate(tasks):
                one = (
                    Condition(arm, student)
                    if bare
                    else Condition(arm, student, teacher, in_family, task)
                )
                found = study.estimate((1.0, (one, task, prompt)))
                if found is None:
                    continue
                axes.bar(
                    place + (number - (len(BARS) - 1) / 2) * width,
                    100 * found.mean,
                    width,
                    yerr=_error(found),
                    color=COLOURS[arm],
                    hatch=HATCHES[arm],
                    edgecolor="white",
                    linewidth=0.4,
                    error_kw={"elinewidth": 0.7, "capsize": 1.5},
                    label=ARM_NAMES[arm],
                )
        for place, task in enumerate(tasks):
            own = study.estimate((1.0, (Condition("teacher", None, teacher), task, prompt)))
            if own is not None:
                _level(axes, own, "teacher", place - 0.45, place + 0.45)
        _names(axes, tasks)
        axes.set_title(_who(student, teacher, in_family))
        _percent_axis(axes)
    _legend(figure, panels)
    return figure


def fractions(study: Study) -> Figure | None:
    """Accuracy (plain prompt) over the share of the demonstrations, a panel a pair and task."""
    taught = study.of_arm(*TAUGHT)
    shares = sorted({one.fraction for one in taught})
    cells = list(
        dict.fromkeys(
            (one.student, one.teacher, one.in_family, one.task)
            for one in taught
            if one.refine_task is None
        )
    )
    if len(shares) < 2:
        return None
    figure, panels = _panels(len(cells), 2.1)
    for axes, (student, teacher, in_family, task) in zip(panels, cells, strict=True):
        own = Condition("both", student, teacher, in_family, task)
        for number, arm in enumerate(TAUGHT):
            apart = 1.6 * (number - (len(TAUGHT) - 1) / 2)
            points = [
                (share, found)
                for share in shares
                if (
                    found := study.estimate(
                        (1.0, (replace(own, arm=arm, fraction=share), task or "", "plain"))
                    )
                )
            ]
            if points:
                errors = [_error(found) for _, found in points]
                axes.errorbar(
                    [share + apart for share, _ in points],
                    [100 * found.mean for _, found in points],
                    yerr=[[e[0][0] for e in errors], [e[1][0] for e in errors]],
                    color=COLOURS[arm],
                    marker=MARKERS[arm],
                    capsize=2,
                    label=ARM_NAMES[arm],
                )
        lines: tuple[tuple[Arm, Condition], ...] = (
            ("teacher", Condition("teacher", None, teacher)),
            ("baseline", Condition("baseline", student)),
        )
        for arm, bare in lines:
            found = study.estimate((1.0, (bare, task or "", "plain")))
            if found is not None:
                _level(axes, found, arm, shares[0] - 4, shares[-1] + 4)
        axes.set_xticks(shares)
        axes.set_xlabel("demonstrations, %")
        axes.set_title(f"{task}\n{_who(student, teacher, in_family)}")
        _percent_axis(axes)
    _legend(figure, panels)
    return figure


def matrix(study: Study) -> Figure | None:
    """Refined students, plain prompt: trained on x evaluated on; the numbers stand in the cells."""
    refined = [one for one in study.of_arm("both") if one.fraction == 100]
    pairs = list(dict.fromkeys((one.student, one.teacher, one.in_family) for one in refined))
    if not refined or len(study.tasks) < 2:
        return None
    by_pair = [
        [one for one in refined if (one.student, one.teacher, one.in_family) == pair]
        for pair in pairs
    ]
    height = 1.1 + 0.3 * max(map(len, by_pair))
    most = 1 if len(study.tasks) > WIDE_MATRIX else PANELS_WIDE
    figure, panels = _panels(len(pairs), height, most)
    for axes, pair, rows in zip(panels, pairs, by_pair, strict=True):
        _heat(axes, study, rows)
        axes.set_title(_who(*pair))
    for axes in panels[::most]:
        axes.set_ylabel("trained on")
    figure.colorbar(panels[0].images[0], ax=panels, label="right, %", aspect=15, pad=0.01)
    return figure


def _heat(axes: Axes, study: Study, rows: Sequence[Condition]) -> None:
    """A line of cells for each training; the accuracy and its interval stand in them."""
    import numpy as np

    found = [[study.estimate((1.0, (one, task, "plain"))) for task in study.tasks] for one in rows]
    values = np.array([[100 * e.mean if e else np.nan for e in line] for line in found])
    axes.imshow(values, cmap="cividis", vmin=0, vmax=100, aspect="auto")
    centre: dict[str, Any] = {"ha": "center", "va": "center"}
    for y, line in enumerate(found):
        for x, one in enumerate(line):
            if one is None:
                axes.text(x, y, "–", **centre)
                continue
            colour = "white" if 100 * one.mean < LIGHT_FROM else "black"
            low, high = _interval(one)
            number = f"{100 * one.mean:.1f}"
            axes.text(x, y - 0.14, number, color=colour, **centre)
            axes.text(x, y + 0.24, f"[{low:.1f}, {high:.1f}]", color=colour, size=5.5, **centre)
    _names(axes, study.tasks)
    axes.set_yticks(range(len(rows)), [", ".join((one.trained_on, *one.variant)) for one in rows])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("evaluated on")


def reasoning(study: Study) -> Figure | None:
    """How often answers have steps, and how long they are, by method and prompt; means over
    students, tasks and seeds, of trainings on everything."""
    from matplotlib.patches import Patch

    arms: tuple[Arm, ...] = ("teacher", *BARS)
    shown = [arm for arm in arms if study.of_arm(arm)]
    if not shown:
        return None
    figure, (left, right) = _panels(2, 2.1)
    for number, prompt in enumerate(PROMPTS):
        hatch = "////" if prompt == "cot" else ""
        for place, arm in enumerate(shown):
            marks = _marks(study, arm, prompt)
            at = place + (number - 0.5) * 0.4
            shares = [100 * mark.with_steps for mark in marks]
            for axes, values in ((left, shares), (right, [mark.mean_tokens for mark in marks])):
                if values:
                    axes.bar(at, fmean(values), 0.4, color=SOFT, hatch=hatch, edgecolor=INK, lw=0.5)
                    axes.plot([at] * len(values), values, ".", color=INK, ms=3, alpha=0.6)
    for axes, label in ((left, "answers with steps, %"), (right, "tokens an answer")):
        _names(axes, [ARM_NAMES[arm] for arm in shown])
        axes.set_ylabel(label)
    left.set_ylim(-1, 103)
    prompts = [
        Patch(facecolor=SOFT, edgecolor=INK, lw=0.5, hatch=hatch, label=label)
        for hatch, label in (("", "plain prompt"), ("////", "CoT prompt"))
    ]
    figure.legend(handles=prompts, loc="outside upper center", ncols=2)
    return figure


def _marks(study: Study, arm: Arm, prompt: Prompt) -> list[Cellmark]:
    """Of trainings on everything, on the tasks trained on; of bare models on all tasks."""
    return [
        mark
        for (one, task, style), by_seed in study.marks.items()
        if (one.arm, style) == (arm, prompt)
        and one.full
        and (not one.own_tasks or task in one.own_tasks)
        for mark in by_seed.values()
    ]


def training(curves: Sequence[Curve]) -> Figure | None:
    """A thin line a run, and the mean over all runs of a method."""
    from matplotlib.ticker import MaxNLocator

    drawn = [what for what in CURVES if any((c.kind, c.metric) == what[:2] for c in curves)]
    if not drawn:
        return None
    figure, panels = _panels(len(drawn), 1.9)
    for axes, (kind, metric, title, unit) in zip(panels, drawn, strict=True):
        for arm in TAUGHT:
            own = [c for c in curves if (c.kind, c.metric, c.arm) == (kind, metric, arm)]
            alone = len(own) == 1
            for curve in own:
                label = ARM_NAMES[arm] if alone else "_"
                thin: dict[str, Any] = {"lw": 1.2} if alone else {"lw": 0.6, "alpha": 0.5}
                axes.plot(*zip(*curve.points, strict=True), color=COLOURS[arm], label=label, **thin)
            if mean := _mean_curve(own):
                points = zip(*mean, strict=True)
                axes.plot(*points, color=COLOURS[arm], lw=1.6, label=ARM_NAMES[arm])
        axes.set_title(title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        axes.set_xlabel("step")
        axes.set_ylabel(unit)
    _legend(figure, panels)
    return figure


def _mean_curve(curves: Sequence[Curve]) -> list[tuple[int, float]]:
    """Over the runs, at the steps that all of them have; nothing of a single run."""
    if len(curves) < 2:
        return []
    tables = [dict(curve.points) for curve in curves]
    steps = sorted(set.intersection(*(set(table) for table in tables)))
    return [(step, fmean(table[step] for table in tables)) for step in steps]
