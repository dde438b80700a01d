"""The raw records of finished runs: written into results/ by `pbt export`, read again by everything else.

results/<variant>/seed-<n>/<arm>.csv.gz   a row for each segment, as pbt export writes it
results/<variant>/seed-<n>/<arm>.json     the run's settings and sittings, its best record, what final.py measured
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from . import product
from .arms import FINAL, Seed
from .domains import REPO, Domain, Variant

Row = dict[str, str]


@dataclass(frozen=True)
class Record:
    """One run: its rows and its facts."""

    rows: list[Row]
    facts: dict[str, Any]

    @cached_property
    def finished(self) -> list[Row]:
        return [r for r in self.rows if r["state"] == "finished"]

    @cached_property
    def by_segment(self) -> dict[int, Row]:
        return {int(r["segment"]): r for r in self.rows}

    @property
    def maximize(self) -> bool:
        return bool(self.facts["experiment"]["metric"]["goal"] == "maximize")

    @property
    def best(self) -> dict[str, Any]:
        best: dict[str, Any] = self.facts["best"]
        return best

    def ancestry(self, segment: int) -> list[Row]:
        """Give the segments behind one's weights, it included, first one first."""
        found: list[Row] = []
        at: str = str(segment)
        while at not in ("", "0"):
            row = self.by_segment[int(at)]
            found.append(row)
            at = row["parent"]
        return found[::-1]

    def explored(self) -> dict[str, str]:
        """Give the hyperparameters that vary, each with its kind."""
        kinds = ("uniform", "log", "near_one", "int", "log_int", "ordered", "choice")
        found: dict[str, str] = {}

        def walk(group: dict[str, Any], prefix: str) -> None:
            for name, value in group.items():
                if isinstance(value, dict) and not any(k in value for k in (*kinds, "constant")):
                    walk(value, f"{prefix}{name}.")
                elif isinstance(value, dict) and "constant" not in value and value.get("explore", True):
                    found[prefix + name] = next(k for k in kinds if k in value)

        walk(self.facts["experiment"]["hyperparameters"], "")
        return found


def write(path: Path, text: str) -> None:
    """Write a compressed text whose bytes depend on nothing but itself."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, compresslevel=9, filename="") as out:
        out.write(text.encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())


def export(s: Seed, results: Path) -> None:
    """Write the raw records of a seed's runs."""
    folder = results / s.variant.name / f"seed-{s.seed}"
    for arm in s.variant.arms:
        run = s.run(arm)
        product.ask("verify", run)
        write(folder / f"{arm}.csv.gz", product.ask("export", run, "--table", "segments"))
        facts = facts_of(run)
        facts["final"] = json.loads((s.work / f"{arm}.{FINAL}").read_text())["metrics"]
        (folder / f"{arm}.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


def run_programs(domain: Domain, results: Path) -> None:
    """Record what the domain's programs print, where it is not recorded yet."""
    for name, words in domain.programs.items():
        path = results / "programs" / f"{name}.json"
        if path.exists():
            continue
        done = subprocess.run(words, cwd=REPO, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)}: {done.stderr.strip()}")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({"command": list(words), **json.loads(done.stdout)}, indent=1) + "\n")
        partial.replace(path)


def read_programs(domain: Domain, results: Path) -> dict[str, Any]:
    """Read what they printed."""
    paths = {name: results / "programs" / f"{name}.json" for name in domain.programs}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def facts_of(run: Path) -> dict[str, Any]:
    """Give what the rows do not say: settings, sittings, the best record."""
    best = product.best(run)
    best.pop("path", None)
    facts: dict[str, Any] = {"best": best, "machine": machine(), "sittings": []}
    for line in product.ask("events", run).splitlines():
        entry = json.loads(line)
        at, event = entry["at"] / 1e9, entry["event"]
        if entry["kind"] == "run_started":
            facts |= {"experiment": event["experiment"], "seed": event["seed"], "version": event["version"]}
            facts["experiment"]["trainer"]["workdir"] = ""  # whoever ran it
        elif entry["kind"] == "opened":
            facts["sittings"].append([at, at])
        if facts["sittings"]:
            facts["sittings"][-1][1] = at
    return facts


def machine() -> str:
    """Say what the machine is."""
    model = next(
        (x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")), ""
    )
    return f"{len(cpus())} of {model or platform.machine()}"


def cpus() -> set[int]:
    return os.sched_getaffinity(0)


def read(folder: Path, arm: str) -> Record:
    """Read one run's records."""
    with gzip.open(folder / f"{arm}.csv.gz", "rt", newline="") as f:
        rows = list(csv.DictReader(f))
    return Record(rows, json.loads((folder / f"{arm}.json").read_text()))


def read_all(domain: Domain, variant: Variant, results: Path) -> dict[int, dict[str, Record]]:
    """Read what there is of a variant: by seed and arm. Only seeds that have all arms count."""
    found: dict[int, dict[str, Record]] = {}
    for folder in sorted((results / variant.name).glob("seed-*"), key=lambda p: int(p.name.split("-")[1])):
        if all((folder / f"{arm}.json").exists() and (folder / f"{arm}.csv.gz").exists() for arm in variant.arms):
            found[int(folder.name.split("-")[1])] = {arm: read(folder, arm) for arm in variant.arms}
    return found


def when(text: str) -> float:
    """Give a time of the table in seconds since 1970."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float(f"0.{fraction or 0}")
