"""Learning rates under torch's schedulers: read and replace the rate that a schedule is built on.

A schedule maps a base rate to a rate for each step. A new base rate must give the rate, now and later, that the
schedule would have given had it begun with this base rate. Each scheduler of torch has a rule here for that;
what has no exact rule is refused with a message.
"""

from __future__ import annotations

import bisect
from typing import Any, Dict, Iterator, List, NoReturn, Optional, Type

import torch

#: The rate is a factor of the base rate.
PROPORTIONAL = (
    "LambdaLR",
    "MultiplicativeLR",
    "StepLR",
    "MultiStepLR",
    "ConstantLR",
    "LinearLR",
    "ExponentialLR",
    "PolynomialLR",
)
FLOORED = ("CosineAnnealingLR", "CosineAnnealingWarmRestarts")  #: the part above eta_min is a factor of the base rate's
PEAKED = ("OneCycleLR", "CyclicLR")  #: built on a peak, max_lr; the other rates keep their ratio to it
NESTED = ("SequentialLR", "ChainedScheduler")
PLATEAU = "ReduceLROnPlateau"
KNOWN = (*PROPORTIONAL, *FLOORED, *PEAKED, *NESTED, PLATEAU)
BASE = "pbt_lr"  #: in a param group: the rate before any reduction by ReduceLROnPlateau, which does not store it
CYCLED = ("momentum", "beta1")  #: what OneCycleLR and CyclicLR set at each step
OWN = "pbt_proportional"  #: a scheduler class of one's own sets it if its rate is a factor of base_lrs


def same(held: Any, value: Any) -> bool:
    """Whether a setting already has a value, in the precision in which it is held."""
    if isinstance(held, torch.Tensor):
        return bool(torch.full_like(held, value).equal(held))
    return bool(held == value)


def like(held: Any, value: float) -> Any:
    """Give a value as what it replaces: a tensor of its own, or a number."""
    return torch.full_like(held, value) if isinstance(held, torch.Tensor) else value


class Schedule:
    """A scheduler, without wrappers, and the param groups that it acts on."""

    def __init__(self, scheduler: Any, groups: List[Dict[str, Any]]) -> None:
        """Unwrap the scheduler and find its rule. A scheduler without a rule is refused once a rate changes."""
        self.scheduler, self.groups = _unwrapped(scheduler), groups
        self.kind = _kind(self.scheduler)
        self.leaves = list(_leaves(self.scheduler))
        for leaf in self.leaves:
            acts_on = getattr(leaf, "optimizer", None)
            if acts_on is not None and [id(g["params"]) for g in acts_on.param_groups] != [id(g["params"]) for g in groups]:
                self.refuse("it acts on another optimizer than the one given", "pass the scheduler of this optimizer")

    def refuse(self, why: str, instead: str) -> NoReturn:
        """Say why a rate cannot be set."""
        raise ValueError(f"cannot set lr under {type(self.scheduler).__name__}: {why}; {instead}")

    def check_cycled(self, name: str) -> None:
        """Refuse a setting that the schedule itself replaces at each step."""
        for leaf in self.leaves:
            if name in CYCLED and _kind(leaf) in PEAKED and leaf.cycle_momentum:
                raise ValueError(
                    f"cannot set {name} under {type(leaf).__name__}: the scheduler sets it at each step; make the scheduler"
                    f" with cycle_momentum=False, or leave {name} out of the hyperparameters"
                )

    def base(self, i: int) -> float:
        """Give the base rate of the i-th group: max_lr under OneCycleLR and CyclicLR."""
        return float(self._held(i))

    def put(self, i: int, value: float) -> None:
        """Replace the base rate of the i-th group, and its rate now, unless it is that already."""
        if self.kind == PLATEAU:
            self._record(i)
        held = self._held(i)
        if same(held, value):
            return
        self._check_rule()
        group, old, floor = self.groups[i], float(held), self._floor()
        if old == floor and not self._computes():
            self.refuse(f"its base rate is {old!r}, which leaves no factor to keep", "make the optimizer with another lr")
        rate = float(group["lr"])
        if self.kind == PLATEAU:
            rate = self._plateau(i, old, value)
        elif old != floor:
            rate = floor + (rate - floor) * ((value - floor) / (old - floor))
        self._replace(i, value, value / old if old else 0.0)
        if old == floor and self.kind != PLATEAU:
            rate = self._computed(i)
        _put_rate(group, rate)
        for scheduler in (self.scheduler, *self.leaves):
            if hasattr(scheduler, "_last_lr"):  # what get_last_lr gives, and loops log
                scheduler._last_lr = [g["lr"] for g in self.groups]
        if abs(float(group["lr"]) - rate) > 1e-6 * abs(rate):
            self.refuse(f"the rate in force is {float(group['lr'])!r}, not {rate!r}", "let nothing else set it")

    def _held(self, i: int) -> Any:
        group = self.groups[i]
        if self.kind == PLATEAU:
            return group.get(BASE, group["lr"])
        if self.kind == "OneCycleLR":
            return group["max_lr"]
        if self.kind == "CyclicLR":
            return self.scheduler.max_lrs[i]
        held = [leaf.base_lrs[i] for leaf in self.leaves if i < len(getattr(leaf, "base_lrs", ()))]
        if len(held) < len(self.leaves):
            self.refuse("it has no base_lrs for each param group", _own_rule())
        if any(float(x) != float(held[0]) for x in held):
            self.refuse(f"its schedulers have different base rates, {[float(x) for x in held]}", "build them on one rate")
        return held[0]

    def _record(self, i: int) -> None:
        """Note the base rate under ReduceLROnPlateau before its first reduction. The optimiser's state carries it."""
        group = self.groups[i]
        if BASE not in group:
            if self.scheduler.last_epoch > 0:
                self.refuse(
                    "it does not store the rate that it began with",
                    "call set_hypers before the first step, and save and load the optimizer with the model",
                )
            group[BASE] = float(group["lr"])

    def _check_rule(self) -> None:
        """Refuse where no rule gives the rate exactly."""
        kinds = [_kind(leaf) for leaf in self.leaves]
        if None in kinds:
            self.refuse("pbt.torch does not know how its rates follow from a base rate", _own_rule())
        if self.kind not in NESTED:
            return
        if inner := [k for k in kinds if k in PEAKED or k == PLATEAU]:
            self.refuse(f"{inner[0]} inside another scheduler has no single base rate", "use it on its own")
        if any(getattr(leaf, "eta_min", 0) for leaf in self.leaves):
            if _inside(self.scheduler, "ChainedScheduler"):
                self.refuse("eta_min inside a ChainedScheduler is scaled by the others", "use eta_min=0")
            if "MultiplicativeLR" in kinds:
                self.refuse("MultiplicativeLR goes on from a rate that has eta_min in it", "use eta_min=0")

    def _floor(self) -> float:
        """Give the part of the rate that does not follow the base rate."""
        active = self.scheduler
        while _kind(active) == "SequentialLR":
            active = active._schedulers[bisect.bisect_right(active._milestones, active.last_epoch)]
        return float(getattr(active, "eta_min", 0.0)) if _kind(active) in FLOORED else 0.0

    def _computes(self) -> bool:
        """Whether a rate can be computed without the one before, as for an optimiser made with lr=0."""
        one = self.scheduler
        return self.kind == "LambdaLR" or (self.kind == PLATEAU and one.last_epoch <= 0) or hasattr(one, "_get_closed_form_lr")

    def _computed(self, i: int) -> float:
        one = self.scheduler
        if self.kind == "LambdaLR":
            return float(one.base_lrs[i] * one.lr_lambdas[i](one.last_epoch))
        return float(one._get_closed_form_lr()[i])

    def _plateau(self, i: int, old: float, value: float) -> float:
        """Scale a reduced rate down to min_lr, as the scheduler itself does. One that has reached min_lr stays there."""
        rate, floor = float(self.groups[i]["lr"]), float(self.scheduler.min_lrs[i])
        scaled = rate * (value / old) if old else value
        return min(floor, value) if rate < old and (rate <= floor or scaled < floor) else scaled

    def _replace(self, i: int, value: float, ratio: float) -> None:
        group = self.groups[i]
        if self.kind == PLATEAU:
            group[BASE] = value
            return
        if self.kind == "OneCycleLR":
            for name in ("initial_lr", "min_lr"):
                group[name] = like(group[name], float(group[name]) * ratio)
            group["max_lr"] = like(group["max_lr"], value)
            self.scheduler.base_lrs[i] = group["initial_lr"]
            return
        if self.kind == "CyclicLR":
            begin = like(self.scheduler.base_lrs[i], float(self.scheduler.base_lrs[i]) * ratio)
            self.scheduler.base_lrs[i] = group["initial_lr"] = begin
            self.scheduler.max_lrs[i] = like(self.scheduler.max_lrs[i], value)
            if "max_lr" in group:
                group["max_lr"] = self.scheduler.max_lrs[i]
            return
        for leaf in self.leaves:
            leaf.base_lrs[i] = like(leaf.base_lrs[i], value)
        group["initial_lr"] = like(group.get("initial_lr", value), value)


def _own_rule() -> str:
    return f"if they are a factor of base_lrs, set {OWN} = True in its class; else take a scheduler of torch"


def _put_rate(group: Dict[str, Any], rate: float) -> None:
    if isinstance(group["lr"], torch.Tensor):  # a capturable optimiser's: compiled code holds this tensor
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def _unwrapped(scheduler: Any) -> Any:
    """Peel wrappers such as accelerate's off."""
    while _kind(scheduler) is None and not hasattr(scheduler, "base_lrs") and hasattr(scheduler, "scheduler"):
        scheduler = scheduler.scheduler
    return scheduler


def _leaves(scheduler: Any) -> Iterator[Any]:
    """Give the schedulers that have no others inside."""
    inner = getattr(scheduler, "_schedulers", None)
    if inner is None:
        yield scheduler
    for one in inner or ():
        yield from _leaves(_unwrapped(one))


def _inside(scheduler: Any, kind: str) -> bool:
    """Whether a scheduler is of a kind, or has one inside."""
    return _kind(scheduler) == kind or any(_inside(_unwrapped(s), kind) for s in getattr(scheduler, "_schedulers", ()))


def _kind(scheduler: Any) -> Optional[str]:
    """Give the name of torch's class whose rates a scheduler has, or None."""
    for cls in type(scheduler).__mro__:
        if cls.__dict__.get(OWN):
            return "MultiplicativeLR"
        if cls.__module__ == "torch.optim.lr_scheduler" and cls.__name__ in KNOWN:
            return cls.__name__ if _inherits(type(scheduler), cls) else None
    return None


def _inherits(cls: Type[Any], known: Type[Any]) -> bool:
    """Whether a class changes nothing of the rates of torch's class that it derives from."""
    return all(getattr(cls, name, None) is getattr(known, name, None) for name in ("get_lr", "step"))
