"""Running the arms of one seed: each a run of pbt that is begun, gone on with, or finished already.

A run is never begun anew while there is one, so that the harness can be killed at any moment and called again.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import product
from .domains import ARMS, BUILD, Domain, Variant

#: What final.py was given, and so what must not have changed when its result is used again.
FINAL = "final.json"

AT_ONCE = 2  # measurements, each of one thread
POLL_S = 0.2  # between two looks whether another process still has a run


@dataclass(frozen=True)
class Seed:
    """One seed of one variant, and where its runs lie."""

    domain: Domain
    variant: Variant
    seed: int
    smoke: bool = False

    @property
    def work(self) -> Path:
        place = "smoke" if self.smoke else "runs"
        return BUILD / self.domain.name / place / self.variant.name / f"seed-{self.seed}"

    def run(self, arm: str) -> Path:
        return self.work / arm

    @property
    def sets(self) -> list[str]:
        return [*self.variant.set, *(self.domain.smoke if self.smoke else ())]


def command(s: Seed, arm: str) -> list[str | Path]:
    """Give the arguments with which an arm's run is begun."""
    common: list[str | Path] = ["--dir", s.run(arm), "--seed", str(s.seed), "--no-web", "--quiet"]
    sets = [word for text in s.sets for word in ("--set", text)]
    if arm in ("pbt", "random"):
        return ["run", s.domain.folder / f"{arm}.yaml", *common, *sets]
    if arm == "replay":
        return ["replay", s.run("pbt"), *common]
    record = product.best(s.run("pbt"))
    constant = [
        "population=1",
        "trainer.slots=1",
        f"budget.steps={record['step']}",
        f"initial=[{json.dumps(record['hypers'])}]",
    ]
    return ["run", s.domain.folder / "random.yaml", *common, *sets, *(word for text in constant for word in ("--set", text))]


def unchanged(s: Seed, arm: str) -> None:
    """Refuse to go on with a run that was begun from another experiment."""
    note = s.work / f"{arm}.begun.json"
    words = [str(w) for w in command(s, arm)]
    now = {"command": words, "experiment": "" if arm == "replay" else Path(words[1]).read_text()}
    if product.state(s.run(arm)) == "none":
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(now, indent=1))
    elif note.exists() and json.loads(note.read_text()) != now:
        raise SystemExit(
            f"{s.run(arm)} was begun from another experiment (see {note}): remove the directory, or undo the change"
        )


def begin(s: Seed, arm: str) -> product.Started | None:
    """Start what is left to do of an arm, or nothing if it is finished."""
    unchanged(s, arm)
    while product.state(s.run(arm)) == "running":  # a killed harness's pbt, which was told to stop and may take its grace
        time.sleep(POLL_S)
    log = s.work / f"{arm}.log"
    match product.state(s.run(arm)):
        case "finished":
            return None
        case "none":
            words = command(s, arm)
        case _:
            words = ["resume", s.run(arm), "--no-web", "--quiet"]
    return product.start([product.PBT, *words], log, s.smoke), log


def train(s: Seed) -> None:
    """Train the arms of a seed. The last two take a slot each, and so run side by side."""
    arms = [a for a in ARMS if a in s.variant.arms]
    for together in (["pbt"], ["random"], ["replay", "final"]):
        product.wait(begin(s, arm) for arm in arms if arm in together)


def finals(s: Seed) -> None:
    """Measure the best member of each arm, chosen by validation, on what no decision has seen."""
    todo = []
    for arm in s.variant.arms:
        record, out = product.best(s.run(arm)), s.work / f"{arm}.{FINAL}"
        if not (out.exists() and json.loads(out.read_text())["checkpoint"] == record["checkpoint"]):
            todo.append((arm, record, out))
    for i in range(0, len(todo), AT_ONCE):
        product.wait(measure(s, arm, record) for arm, record, _ in todo[i : i + AT_ONCE])
        for arm, record, out in todo[i : i + AT_ONCE]:
            partial = out.with_suffix(".partial")
            partial.write_text(json.dumps({"checkpoint": record["checkpoint"], "metrics": measured(s, arm)}, indent=1))
            partial.replace(out)


def measure(s: Seed, arm: str, record: dict[str, Any]) -> product.Started:
    """Start final.py on a checkpoint."""
    log = s.work / f"{arm}.final.log"
    log.unlink(missing_ok=True)
    words: list[str | Path] = ["python3", s.domain.folder / "final.py", record["path"]]
    return product.start(words, log, s.smoke, EXPERIMENT_HYPERS=json.dumps(record["hypers"])), log


def measured(s: Seed, arm: str) -> dict[str, Any]:
    """Read what final.py printed: its last line that is a JSON object, of numbers and texts."""
    log = s.work / f"{arm}.final.log"
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    try:
        metrics: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError) as e:
        raise SystemExit(f"{s.domain.folder}/final.py: its last line must be a JSON object; its log: {log}") from e
    for wanted in (s.domain.measure, *s.domain.also):
        if wanted.key not in metrics:
            raise SystemExit(
                f"{s.domain.folder}/final.py gives no {wanted.key!r}, which domain.toml names; it gives {sorted(metrics)}"
            )
    return metrics


def prepare(domain: Domain, smoke: bool) -> None:
    """Make a domain's data, if it needs any."""
    script = domain.folder / "prepare.py"
    if script.exists():
        log = BUILD / domain.name / "prepare.log"
        product.wait([(product.start(["python3", script], log, smoke), log)])
