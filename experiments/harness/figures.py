"""The figures of a variant, drawn from its raw records; the same records give the same bytes."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, cast

import matplotlib as mpl
import numpy as np

mpl.use("svg")
import matplotlib.pyplot as plt

from .domains import ARM_NAMES, Domain, Group, Variant, member_name
from .records import Record
from .summary import Runs, hyper_values

STYLE: dict[str, Any] = {
    "svg.hashsalt": "pbt",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "figure.constrained_layout.use": True,
}
COLORS = {"pbt": "#0b6e99", "random": "#c05621", "replay": "#5b8c2a", "final": "#7a5195"}


def draw(domain: Domain, variant: Variant, runs: Runs) -> dict[str, str]:
    """Give the figures by file name."""
    return {
        f"{variant.name}-result.svg": result(domain, variant, runs),
        f"{variant.name}-curves.svg": curves(domain, variant, runs),
        f"{variant.name}-schedules.svg": schedules(domain, variant, runs),
    }


def draw_group(g: Group, domain: Domain, found: Mapping[str, Any]) -> str:
    """Draw a group's members side by side: a dot for each seed, a bar for each median."""

    def paint() -> Any:
        figure, axes = plt.subplots(figsize=(6.4, 3.2))
        measured = found["measures"][domain.measure.key]
        for i, (_, arm) in enumerate(g.arms):
            d = measured[g.members[i]]
            axes.scatter([i] * d["n"], d["values"], color=COLORS[arm], s=20, alpha=0.8, zorder=3)
            axes.hlines(d["median"], i - 0.25, i + 0.25, color=COLORS[arm], lw=2.5, zorder=2)
        labels = [textwrap.fill(member_name(domain, v, arm), 18) for v, arm in g.arms]
        axes.set_xticks(range(len(labels)), labels, fontsize=8)
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.set_ylabel(domain.measure.label)
        axes.set_title(f"{g.title}: each seed a dot, bars are medians", fontsize=10)
        return figure

    return svg(paint)


def svg(paint: Callable[[], Any]) -> str:
    """Give a figure as SVG without dates and random names."""
    with mpl.rc_context(cast(Any, STYLE)):
        figure = paint()
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(figure)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def result(domain: Domain, variant: Variant, runs: Runs) -> str:
    """Draw what final.py measured: a line for each seed, a bar for each median."""

    def paint() -> Any:
        figure, axes = plt.subplots(figsize=(6.4, 3.6))
        arms = list(variant.arms)
        table = np.array([[float(r[arm].facts["final"][domain.measure.key]) for arm in arms] for r in runs.values()])
        for line in table:
            axes.plot(range(len(arms)), line, color="0.75", lw=1, zorder=1)
        for i, arm in enumerate(arms):
            axes.scatter([i] * len(table), table[:, i], color=COLORS[arm], s=24, zorder=3)
            axes.hlines(np.median(table[:, i]), i - 0.22, i + 0.22, color=COLORS[arm], lw=2.5, zorder=2)
        axes.set_xticks(range(len(arms)), [textwrap.fill(ARM_NAMES[a], 18) for a in arms])
        axes.set_xlim(-0.5, len(arms) - 0.5)
        axes.set_ylabel(domain.measure.label)
        axes.set_title(f"{variant.title}: each seed a line, bars are medians", fontsize=10)
        return figure

    return svg(paint)


def best_so_far(record: Record) -> tuple[list[int], list[float]]:
    """Give the best score of the population up to each multiple of a segment's steps."""
    best: dict[int, float] = {}
    sign = 1 if record.maximize else -1
    for row in record.finished:
        if row["score"]:
            step = int(row["step"])
            best[step] = max(best.get(step, -np.inf), sign * float(row["score"]))
    steps = sorted(best)
    return steps, [sign * x for x in np.maximum.accumulate([best[s] for s in steps])]


def curves(domain: Domain, variant: Variant, runs: Runs) -> str:
    """Draw the best validation score so far against the steps of the weights that earned it."""

    def paint() -> Any:
        figure, axes = plt.subplots(figsize=(6.4, 3.6))
        for arm in variant.arms:
            for i, r in enumerate(runs.values()):
                axes.plot(*best_so_far(r[arm]), color=COLORS[arm], lw=1.2, alpha=0.8, label=ARM_NAMES[arm] if i == 0 else None)
        metric = next(iter(runs.values()))["pbt"].facts["experiment"]["metric"]["name"]
        axes.set_xlabel("training steps of the weights")
        axes.set_ylabel(f"best {metric} so far (validation)")
        axes.legend(frameon=False, fontsize=9)
        axes.set_title(f"{variant.title}: each seed a line", fontsize=10)
        return figure

    return svg(paint)


def schedules(domain: Domain, variant: Variant, runs: Runs) -> str:
    """Draw each hyperparameter along the ancestry of the best member, a line for each seed."""
    first = next(iter(runs.values()))["pbt"]
    kinds: Mapping[str, str] = {h: k for h, k in first.explored().items() if hyper_values(first, h)}

    def paint() -> Any:
        rows = -(-len(kinds) // 2)
        figure, grid = plt.subplots(rows, 2, figsize=(7.2, 2.1 * rows + 0.4), squeeze=False, sharex=True)
        for axes in grid.flat[len(kinds) :]:
            axes.set_visible(False)
        for axes, (hyper, kind) in zip(grid.flat, kinds.items(), strict=False):
            for seed, r in runs.items():
                record = r["pbt"]
                values = np.asarray(hyper_values(record, hyper))
                edges = [0, *(int(x["step"]) for x in record.ancestry(record.best["segment"]))]
                axes.stairs(1 - values if kind == "near_one" else values, edges, baseline=None, lw=1.3, label=f"seed {seed}")
            if kind in ("log", "log_int", "near_one"):
                axes.set_yscale("log")
            axes.set_title(f"1 − {hyper}" if kind == "near_one" else hyper, fontsize=10)
        figure.supxlabel("training steps", fontsize=10)
        grid.flat[0].legend(frameon=False, fontsize=7)
        return figure

    return svg(paint)
