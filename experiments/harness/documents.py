"""Numbers in documents: the summaries are their only source.

Between `<!--=NAME-->` and `<!--/-->` stands one value or table; NAME is a path such as rl/breakout/table.
Between BEGIN and END, each on a line of its own, stands the table of main results; README.md must have it.
`python -m harness fill` writes, `check` compares.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .domains import ARM_NAMES, EXPERIMENTS, REPO, Domain, Measure, member_name

MARK = re.compile(r"(<!--=(?P<name>[\w./,:%-]+)-->)(?P<text>.*?)(<!--/-->)", re.DOTALL)
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
README = REPO / "README.md"
DOCUMENTS = (README, REPO / "docs" / "results.md", EXPERIMENTS / "README.md")
NOT_RUN = "not run yet"


def paths() -> list[Path]:
    """List the documents that may have marks."""
    return [p for p in (*DOCUMENTS, *sorted(EXPERIMENTS.glob("*/README.md"))) if p.exists()]


def blocks(text: str) -> list[tuple[int, int]]:
    """Give where the text between each BEGIN and its END starts and stops."""
    found = []
    lines = text.splitlines(keepends=True)
    starts = [sum(map(len, lines[:i])) for i in range(len(lines) + 1)]
    opened: int | None = None
    for i, line in enumerate(lines):
        if line.strip() == BEGIN and opened is None:
            opened = starts[i + 1]
        elif line.strip() == END and opened is not None:
            found.append((opened, starts[i]))
            opened = None
        elif line.strip() in (BEGIN, END):
            raise ValueError(f"line {i + 1}: {line.strip()} without its counterpart")
    if opened is not None:
        raise ValueError(f"{BEGIN} without {END}")
    return found


def read(path: Path) -> str:
    """Read a document, and fail if its markers are incomplete or README.md has no table of main results."""
    text = path.read_text()
    try:
        found = blocks(text)
    except ValueError as e:
        raise SystemExit(f"{path}: {e}; add the missing marker line") from None
    if path == README and len(found) != 1:
        raise SystemExit(f"{path}: found {len(found)} tables of main results; want one, between {BEGIN} and {END}")
    return text


def filled(text: str, values: Callable[[str], str]) -> str:
    """Give a document with the text of every mark and block as it should be."""
    for begin, end in reversed(blocks(text)):
        text = text[:begin] + main_results(values) + "\n" + text[end:]

    def one(match: re.Match[str]) -> str:
        new = values(match["name"].strip())
        return f"{match[1]}\n{new}\n{match[4]}" if "\n" in new else f"{match[1]}{new}{match[4]}"

    return MARK.sub(one, text)


class Values:
    """What a mark's name stands for."""

    def __init__(self, domains: Mapping[str, Domain], summaries: Mapping[str, Mapping[str, Any]]) -> None:
        self.domains, self.summaries = domains, summaries

    def __call__(self, name: str) -> str:
        """Give a mark's text: `domain/variant/table`, or a path into the summary with `:` and a format.

        In a path, `%` stands for a slash within a key.
        """
        path, _, form = name.partition(":")
        domain, *rest = path.split("/")
        if domain not in self.domains:
            raise SystemExit(f"<!--={name}-->: no domain {domain!r}; there are: {', '.join(self.domains)}")
        summary: Any = self.summaries[domain]
        if not summary or (rest and rest[0] not in summary and rest[0] in [v.name for v in self.domains[domain].variants]):
            return NOT_RUN
        if len(rest) == 2 and rest[1] in TABLES:
            return TABLES[rest[1]](self.domains[domain], summary[rest[0]])
        if len(rest) == 2 and rest[0] == "groups":
            return group_table(self.domains[domain], rest[1], summary)
        if len(rest) == 2 and rest[0] == "programs":
            return rows_table(summary.get("programs", {}).get(rest[1]), rest[1])
        for key in rest:
            try:
                summary = summary[int(key)] if isinstance(summary, list) else summary[key.replace("%", "/")]
            except (KeyError, IndexError, ValueError, TypeError):
                raise SystemExit(f"<!--={name}-->: the summary of {domain} has no {key!r} there") from None
        if rest and rest[-1].endswith("interval"):
            return " to ".join(format_value(x, form) for x in summary)
        return format_value(summary, form)


def format_value(value: Any, form: str) -> str:
    """Format a number or a list of numbers, such as an interval."""
    if isinstance(value, list):
        return ", ".join(format_value(v, form) for v in value)  # a value for each seed
    return format(value, form).replace("-", "−") if form else str(value)


def table(header: list[str], rows: list[list[str]]) -> str:
    """Give a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def number(x: float, digits: int) -> str:
    return f"{x:.{digits}f}".replace("-", "−")


def spread(interval: list[float], digits: int) -> str:
    return f"{number(interval[0], digits)} to {number(interval[1], digits)}"


@dataclass(frozen=True)
class Headline:
    """A row of the table of main results: a measure of a domain's variant."""

    label: str
    domain: str
    variant: str
    measure: str


HEADLINES = (
    Headline("A2C on Breakout (MinAtar): return on new episodes", "rl", "breakout", "return"),
    Headline("A2C on SpaceInvaders (MinAtar): return on new episodes", "rl", "invaders", "return"),
    Headline("Transformer, English to German: BLEU on test sentences", "translation", "main", "test_bleu"),
    Headline(
        "GAN on Fashion-MNIST: Inception-style score, by a classifier that no decision used", "gan", "truncation", "score"
    ),
)


def main_results(values: Callable[[str], str]) -> str:
    """Give one row for each headline: both medians, the seeds that PBT wins and the paired difference."""
    rows = []
    for h in HEADLINES:
        at = f"{h.domain}/{h.variant}/measures/{h.measure}"
        pair = f"{at}/pairs/pbt-random"
        rows.append(
            [
                h.label,
                values(f"{at}/arms/pbt/median:.2f"),
                values(f"{at}/arms/random/median:.2f"),
                f"{values(f'{pair}/wins')} of {values(f'{pair}/n')} seeds",
                f"{values(f'{pair}/mean:.2f')} ({values(f'{pair}/mean_interval:.2f')})",
            ]
        )
    return table(["", "PBT", "random search", "PBT is better in", "mean difference (95 % interval)"], rows)


def result_table(domain: Domain, s: Mapping[str, Any]) -> str:
    """Give the arms with median, mean, interval."""
    m = domain.measure
    arms = s["measures"][m.key]["arms"]
    rows = [
        [
            ARM_NAMES[arm],
            number(d["median"], m.digits),
            number(d["mean"], m.digits),
            spread(d["mean_interval"], m.digits),
            number(s["validation"]["arms"][arm]["median"], m.digits),
            *(number(s["measures"][a.key]["arms"][arm]["median"], a.digits) for a in domain.also),
        ]
        for arm, d in arms.items()
    ]
    also = [f"{a.label}, median" for a in domain.also]
    return table(
        [f"{m.label}, {len(s['seeds'])} seeds", "median", "mean", "95 % of the mean", "validation, median", *also], rows
    )


def pairs_table(domain: Domain, s: Mapping[str, Any]) -> str:
    """Give the paired differences."""
    return pairs_of(domain.measure, s)


def pairs_of(m: Measure, s: Mapping[str, Any]) -> str:
    rows = []
    for name, d in s["measures"][m.key]["pairs"].items():
        a, b = name.split("-")
        rows.append(
            [
                f"{ARM_NAMES[a]} − {ARM_NAMES[b]}",
                number(d["median"], m.digits),
                number(d["mean"], m.digits),
                spread(d["mean_interval"], m.digits),
                f"{d['wins']} of {d['n']}",
                f"{d['p']:.3g}",
            ]
        )
    better = "more is better" if m.goal == "maximize" else "less is better"
    return table([f"difference per seed ({better})", "median", "mean", "95 % of the mean", "better", "p"], rows)


def seeds_table(domain: Domain, s: Mapping[str, Any]) -> str:
    """Give every seed's numbers."""
    m = domain.measure
    arms = s["measures"][m.key]["arms"]
    rows = [[str(seed), *(number(d["values"][i], m.digits) for d in arms.values())] for i, seed in enumerate(s["seeds"])]
    return table(["seed", *(ARM_NAMES[a] for a in arms)], rows)


def rows_table(printed: Mapping[str, Any] | None, name: str) -> str:
    """Give what a program printed, as it is."""
    if printed is None:
        return NOT_RUN
    rows: list[dict[str, Any]] = printed["rows"]
    cells = [[f"{v:.5g}".replace("-", "−") if isinstance(v, float) else str(v) for v in row.values()] for row in rows]
    return table([key.replace("_", " ") for key in rows[0]], cells)


def group_table(domain: Domain, name: str, summary: Mapping[str, Any]) -> str:
    """Give the members of a group, each compared with the first."""
    group = next((g for g in domain.groups if g.name == name), None)
    if group is None:
        raise SystemExit(f"{domain.name} has no group {name!r}; there are: {', '.join(g.name for g in domain.groups)}")
    s = summary.get("groups", {}).get(name)
    if s is None:
        return NOT_RUN
    m, rows = domain.measure, []
    for member, (variant, arm) in zip(group.members, group.arms, strict=True):
        d, first = s["measures"][m.key][member], member == group.members[0]
        against = d["against_first"]
        rows.append(
            [
                member_name(domain, variant, arm),
                number(d["median"], m.digits),
                number(d["mean"], m.digits),
                spread(d["mean_interval"], m.digits),
                "" if first else f"{number(against['mean'], m.digits)} ({spread(against['mean_interval'], m.digits)})",
                "" if first else f"{against['wins']} of {against['n']}",
                "" if first else f"{against['p']:.3g}",
                *(number(s["measures"][a.key][member]["median"], a.digits) for a in domain.also),
            ]
        )
    also = [f"{a.label}, median" for a in domain.also]
    head = [
        f"{m.label}, {len(s['seeds'])} seeds",
        "median",
        "mean",
        "95 % of the mean",
        "mean difference to the first row",
        "better",
        "p",
    ]
    return table([*head, *also], rows)


def schedule_table(domain: Domain, s: Mapping[str, Any]) -> str:
    """Give how each hyperparameter moved."""
    rows = []
    for hyper, x in s["schedule"].items():
        if "first" in x:
            moves = ", ".join(f"{a:.3g} → {b:.3g}" for a, b in zip(x["first"], x["last"], strict=True))
            rows.append([f"`{hyper}`", moves, f"{x['fell']} of {len(x['first'])}"])
    return table(["hyperparameter", "first fifth → last fifth of the best member's training, by seed", "fell in"], rows)


def along_table(domain: Domain, s: Mapping[str, Any]) -> str:
    """Give the validation score of one model as it trains: median over seeds, and all seeds."""
    arms, digits = list(s["along"]), domain.measure.digits

    def cell(scores: list[float]) -> str:
        return f"{number(statistics.median(scores), digits)} ({', '.join(number(x, digits) for x in scores)})"

    rows = [[part, *(cell(s["along"][a][part]) for a in arms)] for part in s["along"]["pbt"]]
    names = {"pbt": "PBT: the ancestry of its best", **{a: ARM_NAMES[a] for a in arms if a != "pbt"}}
    return table(["validation, median (each seed), after", *(names[a] for a in arms)], rows)


def lineage_table(domain: Domain, s: Mapping[str, Any]) -> str:
    """Give founders, last common ancestors and copies."""
    x = s["lineage"]["pbt"]
    rows = [
        [
            str(seed),
            str(x["copies"][i]),
            f"{x['founders'][i]} of {s['population']}",
            f"{x['common_ancestor_step'][i] / s['budget_steps']:.0%}",
        ]
        for i, seed in enumerate(s["seeds"])
    ]
    return table(
        ["seed", "copies", "initial members with descendants at the end", "last common ancestor, at this part of the training"],
        rows,
    )


def time_table(domain: Domain, s: Mapping[str, Any]) -> str:
    """Give where the slots' time went."""
    parts = ("start", "load", "train", "eval", "save", "publish", "engine", "wait_or_lost")
    rows = []
    for arm, t in s["time"].items():
        total = sum(t[p] for p in parts)
        rows.append(
            [
                ARM_NAMES[arm],
                f"{t['wall'] / 60:.1f} min",
                *(f"{t[p] / total:.2%}" for p in parts),
                f"{min(t['use_by_seed']):.1%} to {max(t['use_by_seed']):.1%}",
            ]
        )
    names = ["start", "load", "train", "evaluate", "save", "publish", "engine", "waiting, or lost by an interruption"]
    return table(["all seeds together", "wall time", *names, "slot use by seed"], rows)


def settings_table(domain: Domain, s: Mapping[str, Any]) -> str:
    """Give the sizes of the experiment."""
    return table(
        ["population", "steps per member", "steps per segment", "seeds", "slots", "machine"],
        [
            [
                f"{s['population']}",
                f"{s['budget_steps']:,}",
                f"{s['segment_steps']:,}",
                f"{len(s['seeds'])}",
                f"{s['slots']}",
                s["machine"],
            ]
        ],
    )


TABLES: dict[str, Callable[[Domain, Mapping[str, Any]], str]] = {
    "table": result_table,
    "pairs": pairs_table,
    "by-seed": seeds_table,
    "schedules": schedule_table,
    "along": along_table,
    "lineages": lineage_table,
    "times": time_table,
    "settings": settings_table,
}
