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
from typing import Any, Dict, Mapping, Optional, Union

import torch

from ._client import Segment

FILE = "state.pt"
#: A param group may name what hyperparameters shall leave alone: {"params": …, "pbt_fixed": ["weight_decay"]}.
FIXED = "pbt_fixed"
BETAS = ("beta1", "beta2")
RESTRICTED = int(torch.__version__.split(".")[0]) >= 2  # the restricted reader of 1.13 does not know what a float is
NO_SETTINGS = ("params", "initial_lr", FIXED)
PLAIN = (bool, int, float, str, type(None))

PathLike = Union[str, "os.PathLike[str]"]


def save(directory: PathLike, *, extra: Optional[Mapping[str, Any]] = None, **parts: Any) -> None:
    """Write the state of model=, optimizer=, scheduler=, scaler= and others that have a state_dict.

    `extra` holds tensors, numbers, texts, lists and dicts: counters, the place in the data. Random
    generators are left out on purpose, or clones would stay identical.
    """
    state = {name: part.state_dict() for name, part in parts.items() if part is not None}
    state["extra"] = dict(extra or {})
    _check(state, "")
    path = os.path.join(directory, FILE)
    torch.save(state, path + ".tmp")
    os.replace(path + ".tmp", path)


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
    """Put hyperparameters in force in an optimiser, and give them as read back, for segment.in_force.

    Every setting of a param group that hypers name, as it is (`lr`, `weight_decay`, `momentum`, …) or
    after `optimizer.`; beta1 and beta2 go into betas. With a scheduler, lr is the rate before its factor.
    """
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    in_force: Dict[str, Any] = {}
    for full, value in hypers.items():
        name = full[len("optimizer.") :] if full.startswith("optimizer.") else full
        for group in optimizer.param_groups:
            if name not in group.get(FIXED, ()) and _put(group, name, value):
                in_force[full] = _get(group, name)
    if scheduler is not None and hasattr(scheduler, "base_lrs") and {"lr", "optimizer.lr"} & in_force.keys():
        for i, (group, rate) in enumerate(zip(optimizer.param_groups, rates)):
            if "lr" not in group.get(FIXED, ()):
                base, old = float(group["lr"]), float(scheduler.base_lrs[i])
                group["initial_lr"] = scheduler.base_lrs[i] = base
                _put(group, "lr", base * rate / old if old > 0 else base)
    return in_force


def _put(group: Dict[str, Any], name: str, value: Any) -> bool:
    """Set a setting of a param group, if it has such a one."""
    if name in BETAS and "betas" in group:
        betas = list(group["betas"])
        betas[BETAS.index(name)] = value
        group["betas"] = tuple(betas)
    elif name in NO_SETTINGS or name not in group:
        return False
    elif isinstance(group[name], torch.Tensor):  # a capturable optimiser's
        group[name].fill_(value)
    else:
        group[name] = value
    return True


def _get(group: Dict[str, Any], name: str) -> Any:
    value = group["betas"][BETAS.index(name)] if name in BETAS and "betas" in group else group[name]
    return float(value) if isinstance(value, torch.Tensor) else value


class Checkpoint:
    """What a segment loads and saves: a model, its optimiser, and what goes with them."""

    def __init__(self, model: Any, optimizer: Any = None, scheduler: Any = None, scaler: Any = None, **others: Any) -> None:
        """Name the parts. Others are anything with state_dict and load_state_dict."""
        self.parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "scaler": scaler, **others}
        self.extra: Dict[str, Any] = {}  #: saved and loaded along: counters, the place in the data

    def begin(self, segment: Segment) -> None:
        """Load if the segment says so, put its hyperparameters in force, and say so."""
        if segment.load:
            self.extra = load(segment.load, **self.parts)
        if self.parts["optimizer"] is not None:
            segment.in_force(set_hypers(segment.hypers, self.parts["optimizer"], self.parts["scheduler"]))

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
