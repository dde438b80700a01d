"""From raw records to summary.json: nothing here looks anywhere else."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import records, stats, timing
from .domains import Domain, Group, Measure, Variant
from .records import Record

#: What is compared with what, seed by seed.
PAIRS = (("pbt", "random"), ("pbt", "replay"), ("replay", "final"), ("replay", "random"), ("pbt", "final"))

PARTS = (0.1, 0.25, 0.5, 0.75, 1.0)  # of a training

Runs = Mapping[int, Mapping[str, Record]]


def of(domain: Domain, results: Path) -> dict[str, Any]:
    """Give the summary of all variants that have records."""
    found: dict[str, Any] = {}
    for variant in domain.variants:
        runs = records.read_all(domain, variant, results)
        if runs:
            found[variant.name] = summarize(domain, variant, runs)
    groups = {g.name: group(g, domain, found) for g in domain.groups if all(v in found for v, _ in g.arms)}
    programs = records.read_programs(domain, results)
    return found | ({"groups": groups} if groups else {}) | ({"programs": programs} if programs else {})


def group(g: Group, domain: Domain, found: Mapping[str, Any]) -> dict[str, Any]:
    """Compare a group's members with its first one, over the seeds that all of them have."""
    seeds = [s for s in found[g.arms[0][0]]["seeds"] if all(s in found[v]["seeds"] for v, _ in g.arms)]
    made: dict[str, Any] = {"title": g.title, "seeds": seeds, "measures": {}}
    for m in (domain.measure, *domain.also):
        values = [_of_seeds(found[v], seeds, found[v]["measures"][m.key]["arms"][arm]["values"]) for v, arm in g.arms]
        made["measures"][m.key] = {
            member: stats.describe(x) | {"against_first": stats.paired(x, values[0], m.sign)}
            for member, x in zip(g.members, values, strict=True)
        }
    made["lineage"] = {v: found[v]["lineage"]["pbt"] for v, arm in g.arms if arm == "pbt"}
    return made


def _of_seeds(variant: Mapping[str, Any], seeds: list[int], values: list[float]) -> list[float]:
    return [x for s, x in zip(variant["seeds"], values, strict=True) if s in seeds]


def summarize(domain: Domain, variant: Variant, runs: Runs) -> dict[str, Any]:
    """Give a variant's summary."""
    some = next(iter(runs.values()))["pbt"]
    experiment = some.facts["experiment"]
    return {
        "title": variant.title,
        "seeds": list(runs),
        "population": experiment["population"],
        "segment_steps": experiment["segment"]["steps"],
        "budget_steps": experiment["budget"]["steps"],
        "slots": experiment["trainer"]["slots"],
        "machine": some.facts["machine"],
        "measures": {m.key: measure(m, variant, runs) for m in (domain.measure, *domain.also)},
        "validation": validation(variant, runs),
        "schedule": {h: schedule(h, kind, runs) for h, kind in some.explored().items()},
        "along": {arm: along(arm, runs) for arm in ("pbt", "replay", "final") if arm in variant.arms},
        "lineage": {arm: lineages(arm, runs) for arm in ("pbt",)},
        "time": {arm: times(arm, runs) for arm in ("pbt", "random") if arm in variant.arms},
    }


def measure(m: Measure, variant: Variant, runs: Runs) -> dict[str, Any]:
    """Describe one number of final.py: by arm, and compared by pairs."""
    by_arm = {arm: [float(r[arm].facts["final"][m.key]) for r in runs.values()] for arm in variant.arms}
    return compared(by_arm, m.sign) | {"label": m.label, "goal": m.goal}


def validation(variant: Variant, runs: Runs) -> dict[str, Any]:
    """Describe the score by which the best member was chosen. It is biased upwards: it was chosen by it."""
    first = next(iter(runs.values()))["pbt"]
    by_arm = {arm: [float(r[arm].best["score"]) for r in runs.values()] for arm in variant.arms}
    return compared(by_arm, 1 if first.maximize else -1)


def compared(by_arm: Mapping[str, list[float]], sign: int) -> dict[str, Any]:
    """Describe each arm, and the pairs."""
    return {
        "arms": {arm: stats.describe(values) for arm, values in by_arm.items()},
        "pairs": {f"{a}-{b}": stats.paired(by_arm[a], by_arm[b], sign) for a, b in PAIRS if a in by_arm and b in by_arm},
    }


def schedule(hyper: str, kind: str, runs: Runs) -> dict[str, Any]:
    """Say how a hyperparameter moved along the best member's ancestry: first fifth against last fifth."""
    first, last, falls = [], [], 0
    for r in runs.values():
        values = hyper_values(r["pbt"], hyper)
        if not values:
            return {"kind": kind}
        n = max(1, len(values) // 5)
        a, b = middle(values[:n], kind), middle(values[-n:], kind)
        first.append(stats.significant(a))
        last.append(stats.significant(b))
        falls += b < a
    found = {"kind": kind, "first": first, "last": last, "fell": falls}
    if kind in ("log", "log_int"):
        found["ratio_median"] = stats.significant(float(np.median([b / a for a, b in zip(first, last, strict=True)])))
    return found


def middle(values: list[float], kind: str) -> float:
    """Give the mean, the geometric one of what varies by factors."""
    if kind in ("log", "log_int"):
        return math.exp(float(np.mean(np.log(values))))
    if kind == "near_one":
        return 1 - math.exp(float(np.mean(np.log1p(-np.asarray(values)))))
    return float(np.mean(values))


def hyper_values(record: Record, hyper: str) -> list[float]:
    """Give a hyperparameter along the best record's ancestry; nothing where it is no number."""
    try:
        return [float(r[f"hypers.{hyper}"]) for r in record.ancestry(record.best["segment"])]
    except (ValueError, KeyError):
        return []


def along(arm: str, runs: Runs) -> dict[str, list[float]]:
    """Give the validation scores along the training of one model, at parts of its steps; PBT's is the best's ancestry."""
    paths = [r[arm].ancestry(r[arm].best["segment"] if arm == "pbt" else max(r[arm].by_segment)) for r in runs.values()]
    return {
        f"{part:.0%}": [stats.significant(float(p[math.ceil(part * len(p)) - 1]["score"])) for p in paths] for part in PARTS
    }


def lineages(arm: str, runs: Runs) -> dict[str, Any]:
    """Say how many first members have descendants at the end, and when their last common ancestor lived."""
    all_of_them = [lineage(r[arm]) for r in runs.values()]
    return {
        "founders": [x["founders"] for x in all_of_them],
        "common_ancestor_step": [x["common_ancestor_step"] for x in all_of_them],
        "copies": [x["copies"] for x in all_of_them],
    }


def lineage(record: Record) -> dict[str, Any]:
    """Trace the newest segment of each member back to the first ones."""
    newest: dict[str, int] = {}
    for row in record.finished:
        newest[row["member"]] = max(newest.get(row["member"], 0), int(row["segment"]))
    paths = [[int(r["segment"]) for r in record.ancestry(s)] for s in newest.values()]
    common = set(paths[0]).intersection(*map(set, paths[1:]))
    ancestor = max(common, default=0)
    return {
        "founders": len({p[0] for p in paths}),
        "common_ancestor_step": int(record.by_segment[ancestor]["step"]) if ancestor else 0,
        "copies": sum(r["action"] == "copy" for r in record.rows),
    }


def times(arm: str, runs: Runs) -> dict[str, Any]:
    """Add up the time of an arm's runs."""
    splits = [timing.split(r[arm]) for r in runs.values()]
    summed = {
        k: stats.significant(sum(s[k] for s in splits)) for k in splits[0] if k not in ("use", "engine_share", "train_share")
    }
    for share in ("use", "engine_share", "train_share"):
        summed[f"{share}_by_seed"] = [s[share] for s in splits]  # type: ignore[assignment]
    return summed


def text(summary: Mapping[str, Any]) -> str:
    """Give summary.json."""
    return json.dumps(summary, indent=1, sort_keys=True) + "\n"
