"""A domain is a folder of experiments/ with a domain.toml; a variant is one set of changes to its pbt.yaml."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
EXPERIMENTS = REPO / "experiments"
BUILD = Path(os.environ.get("EXPERIMENTS_BUILD", REPO / "build" / "experiments"))

#: The arms of each experiment, in the order in which they run: later ones need the first one's schedule.
ARMS = ("pbt", "random", "replay", "final")
ARM_NAMES = {
    "pbt": "PBT",
    "random": "random search",
    "replay": "PBT's schedule, replayed",
    "final": "PBT's last hyperparameters, constant",
}


@dataclass(frozen=True)
class Measure:
    """A number that final.py prints."""

    key: str
    goal: str  # maximize or minimize
    label: str
    digits: int = 2

    @property
    def sign(self) -> int:
        return 1 if self.goal == "maximize" else -1


@dataclass(frozen=True)
class Variant:
    """One experiment of a domain: its pbt.yaml with some values set."""

    name: str
    title: str
    seeds: tuple[int, ...]
    set: tuple[str, ...] = ()
    arms: tuple[str, ...] = ARMS
    only_named: bool = False  # run only when --variant names it: a long series


@dataclass(frozen=True)
class Group:
    """Variants side by side: each a variant's PBT arm, or variant/arm. The first one is what others are compared with."""

    name: str
    title: str
    members: tuple[str, ...]

    @property
    def arms(self) -> list[tuple[str, str]]:
        return [(variant, arm or "pbt") for variant, _, arm in (m.partition("/") for m in self.members)]


@dataclass(frozen=True)
class Domain:
    """What domain.toml says."""

    name: str
    title: str
    measure: Measure  # the result
    also: tuple[Measure, ...]  # measured beside it
    variants: tuple[Variant, ...]
    groups: tuple[Group, ...]
    programs: dict[str, tuple[str, ...]]  # name: a command that prints JSON, with "rows" for a table; run in the repository
    smoke: tuple[str, ...]  # --set for the tiny budget
    folder: Path = field(compare=False)

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def variant(self, name: str) -> Variant:
        for v in self.variants:
            if v.name == name:
                return v
        raise SystemExit(f"{self.name} has no variant {name!r}; there are: {', '.join(v.name for v in self.variants)}")


def member_name(domain: Domain, variant: str, arm: str) -> str:
    """Name a member of a group."""
    return domain.variant(variant).title if arm == "pbt" else ARM_NAMES[arm]


def seeds(text: str) -> tuple[int, ...]:
    """Read seeds such as 1-5 or 1,3,7."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if not match:
            raise SystemExit(f"seeds {text!r}: want whole numbers such as 1-5 or 1,3")
        first, last = int(match[1]), int(match[2] or match[1])
        found += range(first, last + 1)
    if not found:
        raise SystemExit(f"seeds {text!r}: none at all")
    return tuple(dict.fromkeys(found))


def random_yaml(pbt_yaml: str) -> str:
    """Make random.yaml of pbt.yaml: the same but for its name and `exploit: none`. `python -m harness random` writes it."""
    lines = ["# Random search: pbt.yaml with `exploit: none`. Made by `python -m harness random`; edit pbt.yaml, not this."]
    top = re.compile(r"(name|exploit):")
    inside = False  # of a block under exploit:
    for line in pbt_yaml.splitlines():
        if inside and (line.startswith((" ", "\t")) or not line.strip()):
            continue
        inside = False
        if not (match := top.match(line)):
            lines.append(line)
        elif match[1] == "name":
            lines.append(re.sub(r"^name:\s*([\w.-]+)", r"name: \1-random", line).replace("-pbt-random", "-random"))
        else:
            lines.append("exploit: none")
            inside = line.split("#")[0].strip() == "exploit:"
    if "exploit: none" not in lines:
        lines.append("exploit: none")
    return "\n".join(lines) + "\n"


def names() -> list[str]:
    """List the domains that are here."""
    return sorted(p.parent.name for p in EXPERIMENTS.glob("*/domain.toml"))


def read(name: str) -> Domain:
    """Read a domain's domain.toml."""
    folder = EXPERIMENTS / name
    path = folder / "domain.toml"
    if not path.exists():
        raise SystemExit(f"no domain {name!r}: {path} is missing; there are: {', '.join(names()) or 'none'}")
    try:
        return parse(name, folder, tomllib.loads(path.read_text()))
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as e:
        raise SystemExit(f"{path}: {type(e).__name__}: {e}") from e


def parse(name: str, folder: Path, data: dict[str, Any]) -> Domain:
    """Make a domain of its parsed file."""
    default = data.get("seeds", "1-5")
    variants = tuple(
        Variant(
            name=key,
            title=v.get("title", key),
            seeds=seeds(v.get("seeds", default)),
            set=tuple(v.get("set", ())),
            arms=tuple(v.get("arms", ARMS)),
            only_named=bool(v.get("only_named", False)),
        )
        for key, v in data.get("variants", {"main": {}}).items()
    )
    for v in variants:
        if unknown := set(v.arms) - set(ARMS):
            raise TypeError(f"variant {v.name}: unknown arms {sorted(unknown)}; there are: {', '.join(ARMS)}")
    groups = tuple(Group(key, g.get("title", key), tuple(g["members"])) for key, g in data.get("groups", {}).items())
    for g in groups:
        for variant, arm in g.arms:
            if not any(v.name == variant and arm in v.arms for v in variants):
                raise TypeError(f"group {g.name}: no variant {variant} with the arm {arm}")
    return Domain(
        name=name,
        groups=groups,
        title=data["title"],
        measure=Measure(**data["measure"]),
        also=tuple(Measure(**m) for m in data.get("also", ())),
        variants=variants,
        programs={key: tuple(words) for key, words in data.get("programs", {}).items()},
        smoke=tuple(data["smoke"]),
        folder=folder,
    )
