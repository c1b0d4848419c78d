"""The paper's figures: each function draws one of a study, or is None where it can't."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from engine.report.study import ARM_NAMES, PROMPTS, TAUGHT, Condition
from engine.report.style import COLOURS, COLUMN, HATCHES, MARKERS, PAGE, styled, svg_and_png

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from engine.contract.spec import Arm
    from engine.report.statistics import Estimate
    from engine.report.study import Prompt, Study

BARS: tuple[Arm, ...] = ("baseline", "instruct-only", "refine-only", "both")
PANELS_WIDE = 2
CURVES = (
    ("instruct", "loss", "instruct: loss"),
    ("refine", "loss", "refine: loss"),
    ("refine", "eval_loss", "refine: held-out loss"),
    ("refine", "rewards/margins", "refine: reward margin"),
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
    """A finished figure. ``slug``: name of its files."""

    slug: str
    title: str
    svg: bytes
    png: bytes


def draw(study: Study, curves: Sequence[Curve]) -> Iterator[Drawn]:
    """Every figure that the study can fill."""
    makers: list[tuple[str, str, Callable[[], Figure | None]]] = [
        ("bars-plain", "Accuracy with the plain prompt", lambda: bars(study, "plain")),
        ("bars-cot", "Accuracy with the CoT prompt", lambda: bars(study, "cot")),
        ("low-resource", "Low-resource", lambda: fractions(study)),
        ("matrix", "Trained on, evaluated on (refined, plain prompt)", lambda: matrix(study)),
        ("reasoning", "Length and share of reasoned answers", lambda: reasoning(study)),
        ("curves", "Training curves", lambda: training(curves)),
    ]
    for slug, title, make in makers:
        with styled():
            figure = make()
            if figure is not None:
                yield Drawn(slug, title, *svg_and_png(figure))


def _pairs(study: Study) -> list[tuple[str | None, str | None, bool | None]]:
    """Student, teacher and whether they are of one family."""
    taught = study.of_arm(*TAUGHT)
    return list(dict.fromkeys((one.student, one.teacher, one.in_family) for one in taught))


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    import matplotlib.pyplot as plt

    wide = min(count, PANELS_WIDE)
    tall = -(-count // wide)
    width = COLUMN if wide == 1 else PAGE
    figure, axes = plt.subplots(tall, wide, figsize=(width, height * tall), squeeze=False)
    flat = list(axes.flat)
    for unused in flat[count:]:
        unused.set_visible(False)
    return figure, flat[:count]


def _error(found: Estimate) -> list[list[float]]:
    """Below and above, in per cent, as matplotlib wants them; t intervals may leave 0..100."""
    below, above = found.mean - max(found.low, 0.0), min(found.high, 1.0) - found.mean
    return [[100 * max(below, 0.0)], [100 * max(above, 0.0)]]


def _percent_axis(axes: Axes) -> None:
    axes.set_ylim(0, 100)
    axes.set_ylabel("right, %")


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
                    label=ARM_NAMES[arm] if place == 0 else "_",
                )
        for place, task in enumerate(tasks):
            own = study.estimate((1.0, (Condition("teacher", None, teacher), task, prompt)))
            if own is not None:
                label = "teacher" if place == 0 else "_"
                line = 100 * own.mean
                axes.hlines(
                    line, place - 0.45, place + 0.45, COLOURS["teacher"], "--", lw=1, label=label
                )
        axes.set_xticks(range(len(tasks)), tasks)
        axes.set_title(f"{student} by {teacher} ({_family(in_family)})")
        _percent_axis(axes)
    _legend(figure, panels[0])
    return figure


def _family(in_family: bool | None) -> str:
    return "in-family" if in_family else "out-family"


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 5))


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
        for arm in TAUGHT:
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
                    [share for share, _ in points],
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
                style = "--" if arm == "teacher" else ":"
                axes.axhline(100 * found.mean, color=COLOURS[arm], ls=style, lw=1, label=arm)
        axes.set_xticks(shares)
        axes.set_xlabel("demonstrations, %")
        axes.set_title(f"{task}: {student} by {teacher}")
        _percent_axis(axes)
    _legend(figure, panels[0])
    return figure


def matrix(study: Study) -> Figure | None:
    """Refined students, plain prompt: trained on x evaluated on; the numbers stand in the cells."""
    import numpy as np

    refined = [one for one in study.of_arm("both") if one.fraction == 100]
    pairs = list(dict.fromkeys((one.student, one.teacher) for one in refined))
    if not refined or len(study.tasks) < 2:
        return None
    figure, panels = _panels(len(pairs), 2.2)
    for axes, pair in zip(panels, pairs, strict=True):
        rows = [one for one in refined if (one.student, one.teacher) == pair]
        found = [
            [study.estimate((1.0, (one, task, "plain"))) for task in study.tasks] for one in rows
        ]
        values = np.array([[100 * e.mean if e else np.nan for e in line] for line in found])
        image = axes.imshow(values, cmap="cividis", vmin=0, vmax=100, aspect="auto")
        for y, line in enumerate(found):
            for x, one in enumerate(line):
                if one is not None:
                    dark = 100 * one.mean < 55
                    text = f"{100 * one.mean:.1f}"
                    axes.text(
                        x, y, text, ha="center", va="center", color="white" if dark else "black"
                    )
        axes.set_xticks(range(len(study.tasks)), study.tasks, rotation=20, ha="right")
        labels = [", ".join((one.trained_on, *one.variant)) for one in rows]
        axes.set_yticks(range(len(rows)), labels)
        axes.set_xlabel("evaluated on")
        axes.set_title(f"{pair[0]} by {pair[1]}")
    panels[0].set_ylabel("trained on")
    figure.colorbar(image, ax=panels, label="right, %", shrink=0.8)
    return figure


def reasoning(study: Study) -> Figure | None:
    """How often answers have steps, and how long they are, by method and prompt; means over
    students, tasks and seeds, of trainings on everything."""
    arms: tuple[Arm, ...] = ("teacher", *BARS)
    shown = [arm for arm in arms if study.of_arm(arm)]
    if not shown:
        return None
    figure, (left, right) = _panels(2, 2.1)
    for number, prompt in enumerate(PROMPTS):
        for place, arm in enumerate(shown):
            marks = [
                mark
                for (one, task, style), by_seed in study.marks.items()
                if one.arm == arm
                and one.full
                and style == prompt
                and (not one.own_tasks or task in one.own_tasks)
                for mark in by_seed.values()
            ]
            if not marks:
                continue
            at = place + (number - 0.5) * 0.4
            drawing: dict[str, Any] = {"width": 0.4, "color": COLOURS[arm], "edgecolor": "white"}
            drawing |= {"hatch": "////" if prompt == "cot" else "", "linewidth": 0.4}
            left.bar(at, 100 * sum(m.with_steps for m in marks) / len(marks), **drawing)
            right.bar(at, sum(m.mean_tokens for m in marks) / len(marks), **drawing)
    for axes, label in ((left, "answers with steps, %"), (right, "tokens an answer")):
        axes.set_xticks(
            range(len(shown)), [ARM_NAMES[arm] for arm in shown], rotation=20, ha="right"
        )
        axes.set_ylabel(label)
    left.set_ylim(0, 100)
    figure.suptitle("plain prompt, and CoT prompt (hatched)", fontsize=8)
    return figure


def training(curves: Sequence[Curve]) -> Figure | None:
    """A thin line a run, and the mean over seeds for each way of training."""
    from matplotlib.ticker import MaxNLocator

    drawn = [what for what in CURVES if any((c.kind, c.metric) == what[:2] for c in curves)]
    if not drawn:
        return None
    figure, panels = _panels(len(drawn), 1.9)
    for axes, (kind, metric, title) in zip(panels, drawn, strict=True):
        for curve in curves:
            if (curve.kind, curve.metric) == (kind, metric):
                steps, values = zip(*curve.points, strict=True)
                colour = COLOURS[curve.arm]
                axes.plot(steps, values, color=colour, lw=0.6, alpha=0.5)
        for arm in TAUGHT:
            mean = _mean_curve(
                [c for c in curves if (c.kind, c.metric, c.arm) == (kind, metric, arm)]
            )
            if mean:
                axes.plot(
                    *zip(*mean, strict=True), color=COLOURS[arm], lw=1.6, label=ARM_NAMES[arm]
                )
        axes.set_title(title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("step")
        axes.legend()
    return figure


def _mean_curve(curves: Sequence[Curve]) -> list[tuple[int, float]]:
    """Over the runs, at the steps that all of them have; nothing of a single run."""
    if len(curves) < 2:
        return []
    tables = [dict(curve.points) for curve in curves]
    steps = sorted(set.intersection(*(set(table) for table in tables)))
    return [(step, fmean(table[step] for table in tables)) for step in steps]
