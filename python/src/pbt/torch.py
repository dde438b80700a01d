"""Checkpoints of what torch trains, and hyperparameters inside its optimisers.

    checkpoint = pbt.torch.Checkpoint(model=model, optimizer=optimizer)
    for segment in pbt.segments():
        checkpoint.begin(segment)                # loads, then puts segment.hypers in force
        for step in segment:
            train_step(model, optimizer)
        segment.report(evaluate(model), save=checkpoint.save)

Needs torch 1.13 or later.
"""

from __future__ import annotations

import os
import types
import weakref
from typing import Any, Dict, Mapping, Optional, Union

import torch

from . import _rates
from ._client import Segment

FILE = "state.pt"
#: A param group may list the settings that set_hypers leaves alone: {"params": …, "pbt_fixed": ["weight_decay"]}.
FIXED = "pbt_fixed"
BETAS = ("beta1", "beta2")
RESTRICTED = int(torch.__version__.split(".")[0]) >= 2  # the restricted reader of 1.13 does not know what a float is
DECAY = "weight_decay"
SCHEDULED = {"initial_lr", _rates.BASE}  # what a scheduler, or set_hypers with one, leaves in a param group
NO_SETTINGS = ("params", FIXED, *SCHEDULED)
INNER = "_schedulers"  #: in the state of SequentialLR and ChainedScheduler: the states of those inside
SCALE_FN = "_scale_fn_custom"  #: in the state of CyclicLR: its scale_fn
PLAIN = (bool, int, float, str, type(None))

PathLike = Union[str, "os.PathLike[str]"]


def save(directory: PathLike, *, extra: Optional[Mapping[str, Any]] = None, **parts: Any) -> None:
    """Write the state of model=, optimizer=, scheduler=, scaler= and others that have a state_dict.

    `extra` holds tensors, numbers, texts, lists and dicts: counters, the place in the data. Random
    generators are left out on purpose, or clones would stay identical.
    """
    state = {name: _state(part) for name, part in parts.items() if part is not None}
    state["extra"] = dict(extra or {})
    _check(state, "")
    path = os.path.join(directory, FILE)
    torch.save(state, path + ".tmp")
    os.replace(path + ".tmp", path)


def _state(part: Any) -> Dict[str, Any]:
    """Give a state without the functions of a scheduler: load keeps those of the scheduler that it loads into."""
    return _without_functions(part.state_dict())


def _without_functions(state: Mapping[str, Any]) -> Dict[str, Any]:
    """Drop what torch 1.13 leaves in the state of OneCycleLR and CyclicLR, also inside another scheduler."""
    kept = {name: x for name, x in state.items() if not _is_own_function(name, x)}
    if isinstance(kept.get(INNER), list):
        kept[INNER] = [_without_functions(x) if isinstance(x, Mapping) else x for x in kept[INNER]]
    return kept


def _is_own_function(name: str, value: Any) -> bool:
    """Whether a value is a method of the scheduler, or the function that CyclicLR was made with."""
    own = (types.MethodType, weakref.WeakMethod)
    return isinstance(value, own) or (name == SCALE_FN and isinstance(value, types.FunctionType))


def load(directory: PathLike, *, map_location: Any = "cpu", **parts: Any) -> Dict[str, Any]:
    """Read what save wrote into the same parts, and give `extra`.

    The optimiser's state brings the donor's learning rate along: call set_hypers after it.
    """
    state = torch.load(os.path.join(directory, FILE), map_location=map_location, weights_only=RESTRICTED)
    for name, part in parts.items():
        if part is None:
            continue
        if name not in state:
            raise KeyError(f"the checkpoint holds no {name}; it holds {', '.join(state)}")
        part.load_state_dict(state[name])
    return dict(state["extra"])


def set_hypers(hypers: Mapping[str, Any], optimizer: Any, scheduler: Any = None) -> Dict[str, Any]:
    """Set hyperparameters in an optimizer, and return them as read back, for segment.in_force.

    Sets every setting of a param group that hypers name, as it is (`lr`, `weight_decay`, `momentum`, …) or after
    `optimizer.`; beta1 and beta2 go into betas. A value that is in force already changes nothing. A group is left
    alone in the settings that its `pbt_fixed` lists; a group whose weight_decay is 0 while another's is not gets
    weight_decay added to this list.

    With a scheduler, lr is the rate that the schedule is built on (max_lr for OneCycleLR and CyclicLR): the rate
    becomes what the schedule would have given had it begun with this lr. A scheduler for which there is no
    exact rule raises ValueError when lr changes. scheduler=False says that no scheduler acts on the optimizer, or
    that a new one is made after this call: lr is then the rate itself.
    """
    groups = optimizer.param_groups
    schedule = _rates.Schedule(scheduler, groups) if scheduler else None
    in_force: Dict[str, Any] = {}
    for full, value in hypers.items():
        name = full[len("optimizer.") :] if full.startswith("optimizer.") else full
        if name == DECAY:
            _fix_undecayed(groups)
        for i, group in enumerate(groups):
            if name in group.get(FIXED, ()) or not _has(group, name):
                continue
            if name == "lr" and schedule is not None:
                schedule.put(i, float(value))
                held = schedule.base(i)
            else:
                _check_scheduler(group, name, scheduler, schedule)
                held = _put(group, name, value)
            if full not in in_force or in_force[full] == value:  # a group that does not hold the value is reported
                in_force[full] = held
    return in_force


def _check_scheduler(group: Mapping[str, Any], name: str, scheduler: Any, schedule: Any) -> None:
    """Refuse a value that a scheduler would replace at its next step."""
    if schedule is not None:
        schedule.check_cycled(name)
    elif name == "lr" and scheduler is None and SCHEDULED & group.keys():
        raise ValueError(
            "cannot set lr: a scheduler acts on this optimizer and was not passed; pass it, as in"
            " pbt.torch.Checkpoint(model, optimizer, scheduler), or pass scheduler=False if a new one is made afterwards"
        )


def _fix_undecayed(groups: Any) -> None:
    """Mark the groups without weight decay, so that they are still known when all have 0. The state carries the mark."""
    free = [group for group in groups if DECAY in group and DECAY not in group.get(FIXED, ())]
    if any(group[DECAY] for group in free):
        for group in free:
            if not group[DECAY]:
                group[FIXED] = [*group.get(FIXED, ()), DECAY]


def _has(group: Mapping[str, Any], name: str) -> bool:
    """Whether a param group has a setting of this name."""
    return (name in BETAS and "betas" in group) or (name not in NO_SETTINGS and name in group)


def _put(group: Dict[str, Any], name: str, value: Any) -> Any:
    """Set a setting of a param group, and give it as read back."""
    if name in BETAS and "betas" in group:
        betas = list(group["betas"])
        betas[BETAS.index(name)] = value
        group["betas"] = tuple(betas)
    elif isinstance(group[name], torch.Tensor):  # a capturable optimiser's
        group[name].fill_(value)
    else:
        group[name] = value
    if name == "lr" and "initial_lr" in group:  # a scheduler that is made next begins with it
        group["initial_lr"] = _rates.like(group["initial_lr"], value)
    return _get(group, name)


def _get(group: Dict[str, Any], name: str) -> Any:
    value = group["betas"][BETAS.index(name)] if name in BETAS and "betas" in group else group[name]
    return float(value) if isinstance(value, torch.Tensor) else value


class Checkpoint:
    """What a segment loads and saves: a model, its optimiser, and what goes with them."""

    def __init__(self, model: Any, optimizer: Any = None, scheduler: Any = None, scaler: Any = None, **others: Any) -> None:
        """Name the parts. Others are anything with state_dict and load_state_dict.

        scheduler=False says that each segment makes a new scheduler after begin(); see set_hypers.
        """
        self._scheduler = scheduler
        scheduler = scheduler or None
        self.parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "scaler": scaler, **others}
        self.extra: Dict[str, Any] = {}  #: saved and loaded along: counters, the place in the data

    def begin(self, segment: Segment) -> None:
        """Load if the segment says so, put its hyperparameters in force, and say so."""
        if segment.load:
            self.extra = load(segment.load, **self.parts)
        if self.parts["optimizer"] is not None:
            segment.in_force(set_hypers(segment.hypers, self.parts["optimizer"], self._scheduler))

    def save(self, directory: PathLike) -> None:
        """Save, for segment.report(score, save=checkpoint.save)."""
        save(directory, extra=self.extra, **self.parts)


def _check(value: Any, where: str) -> None:
    """Refuse what torch.load(weights_only=True) would not read."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check(item, f"{where}.{key}" if where else str(key))
    elif type(value) in (list, tuple, torch.Size):
        for i, item in enumerate(value):
            _check(item, f"{where}[{i}]")
    elif type(value) not in PLAIN and not isinstance(value, torch.Tensor):
        raise TypeError(f"{where} is a {type(value).__name__}: want tensors, numbers, texts, lists and dicts")
