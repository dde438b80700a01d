"""Learning rates under every scheduler of torch, against runs in which nothing was interrupted: pytest -m torch.

A member trains at A, another one loads its checkpoint and goes on at B. The reference trains at B from its start.
"""

from __future__ import annotations

import importlib
import inspect
import pathlib
import warnings
from typing import Any, Callable, Dict, Optional

import pytest

pytestmark = pytest.mark.torch

A, B, ALL = 0.1, 0.05, 20
Make = Callable[[Any, Any, float], Any]


def sequence(s: Any, o: Any, *then: Any) -> Any:
    return s.SequentialLR(o, [s.LinearLR(o, 0.1, 1, 4), *then], [4, 11][: len(then)])


#: Each scheduler, made for an optimiser whose rate is lr.
SCHEDULERS: Dict[str, Make] = {
    "LambdaLR": lambda s, o, lr: s.LambdaLR(o, lambda e: max(0.0, 1 - e / ALL)),
    "LambdaLR, from 0": lambda s, o, lr: s.LambdaLR(o, lambda e: min(1.0, e / 10)),
    "MultiplicativeLR": lambda s, o, lr: s.MultiplicativeLR(o, lambda e: 0.95),
    "StepLR": lambda s, o, lr: s.StepLR(o, 5, 0.1),
    "MultiStepLR": lambda s, o, lr: s.MultiStepLR(o, [3, 9, 11], 0.5),
    "ConstantLR": lambda s, o, lr: s.ConstantLR(o, 0.3, 10),
    "LinearLR": lambda s, o, lr: s.LinearLR(o, 0.1, 1, ALL),
    "ExponentialLR": lambda s, o, lr: s.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda s, o, lr: s.PolynomialLR(o, ALL, 2.0),
    "CosineAnnealingLR": lambda s, o, lr: s.CosineAnnealingLR(o, ALL),
    "CosineAnnealingLR, eta_min": lambda s, o, lr: s.CosineAnnealingLR(o, ALL, eta_min=0.01),
    "CosineAnnealingLR, beyond T_max": lambda s, o, lr: s.CosineAnnealingLR(o, 6, eta_min=0.01),
    "CosineAnnealingWarmRestarts": lambda s, o, lr: s.CosineAnnealingWarmRestarts(o, 7, eta_min=0.01),
    "OneCycleLR": lambda s, o, lr: s.OneCycleLR(o, lr, total_steps=ALL, cycle_momentum=False),
    "OneCycleLR, three phases": lambda s, o, lr: s.OneCycleLR(
        o, lr, total_steps=ALL, three_phase=True, anneal_strategy="linear"
    ),
    "CyclicLR": lambda s, o, lr: s.CyclicLR(o, lr / 10, lr, step_size_up=5, cycle_momentum=False),
    "CyclicLR, triangular2": lambda s, o, lr: s.CyclicLR(o, lr / 4, lr, step_size_up=3, mode="triangular2"),
    "SequentialLR": lambda s, o, lr: sequence(s, o, s.CosineAnnealingLR(o, ALL - 4)),
    "SequentialLR, eta_min": lambda s, o, lr: sequence(s, o, s.CosineAnnealingLR(o, 7, eta_min=0.01), s.StepLR(o, 2)),
    "SequentialLR, MultiplicativeLR": lambda s, o, lr: sequence(
        s, o, s.ExponentialLR(o, 0.9), s.MultiplicativeLR(o, lambda e: 0.9)
    ),
    "SequentialLR, WarmRestarts": lambda s, o, lr: sequence(s, o, s.CosineAnnealingWarmRestarts(o, 3, eta_min=0.01)),
    "ChainedScheduler": lambda s, o, lr: s.ChainedScheduler([s.LinearLR(o, 0.1, 1, 4), s.ExponentialLR(o, 0.9)]),
    "ChainedScheduler, of SequentialLR": lambda s, o, lr: s.ChainedScheduler(
        [sequence(s, o, s.StepLR(o, 2)), s.ExponentialLR(o, 0.9)]
    ),
    "ReduceLROnPlateau": lambda s, o, lr: s.ReduceLROnPlateau(o, patience=1, factor=0.5),
    "ReduceLROnPlateau, min_lr": lambda s, o, lr: s.ReduceLROnPlateau(o, patience=0, factor=0.5, min_lr=0.004),
}
REFUSED: Dict[str, Make] = {
    "has no single base rate": lambda s, o, lr: s.ChainedScheduler(
        [s.CyclicLR(o, lr, lr, cycle_momentum=False), s.ExponentialLR(o, 0.9)]
    ),
    "eta_min inside a ChainedScheduler": lambda s, o, lr: s.ChainedScheduler(
        [s.CosineAnnealingLR(o, 9, 0.01), s.ExponentialLR(o, 0.9)]
    ),
    "has eta_min in it": lambda s, o, lr: sequence(s, o, s.CosineAnnealingLR(o, 7, 0.01), s.MultiplicativeLR(o, lambda e: 0.9)),
    "different base rates": lambda s, o, lr: different(s, o),
    "pbt.torch does not know how": lambda s, o, lr: importlib.import_module("torch.optim.swa_utils").SWALR(o, swa_lr=0.01),
    "no base_lrs": lambda s, o, lr: object(),
    "acts on another optimizer": lambda s, o, lr: s.StepLR(
        importlib.import_module("torch").optim.SGD([o.param_groups[0]["params"][0]], lr=lr), 3
    ),
}

#: Schedulers with functions of their own, which no checkpoint holds.
FUNCTIONS: Dict[str, Make] = {
    "CyclicLR, scale_fn": lambda s, o, lr: s.CyclicLR(o, lr / 10, lr, step_size_up=5, scale_fn=lambda x: 0.9**x),
    "SequentialLR, OneCycleLR": lambda s, o, lr: sequence(s, o, s.OneCycleLR(o, lr, total_steps=ALL)),
    "SequentialLR, CyclicLR": lambda s, o, lr: sequence(s, o, s.CyclicLR(o, lr / 10, lr, step_size_up=5)),
    "ChainedScheduler, OneCycleLR": lambda s, o, lr: s.ChainedScheduler(
        [s.OneCycleLR(o, lr, total_steps=ALL + 1), s.ExponentialLR(o, 0.9)]
    ),
    "ChainedScheduler, CyclicLR": lambda s, o, lr: s.ChainedScheduler(
        [s.CyclicLR(o, lr / 10, lr, step_size_up=5), s.ExponentialLR(o, 0.9)]
    ),
    "ChainedScheduler, of SequentialLR of OneCycleLR": lambda s, o, lr: s.ChainedScheduler(
        [sequence(s, o, s.OneCycleLR(o, lr, total_steps=ALL)), s.ExponentialLR(o, 0.9)]
    ),
}


def different(s: Any, o: Any) -> Any:
    scheduler = s.ChainedScheduler([s.StepLR(o, 3), s.ExponentialLR(o, 0.9)])
    scheduler._schedulers[1].base_lrs = [2 * A]
    return scheduler


class Wrapper:
    """Holds a scheduler as accelerate's AcceleratedScheduler does."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler

    def step(self, *args: Any) -> None:
        self.scheduler.step(*args)

    def state_dict(self) -> Any:
        return self.scheduler.state_dict()

    def load_state_dict(self, state: Any) -> None:
        self.scheduler.load_state_dict(state)

    def get_last_lr(self) -> Any:
        return self.scheduler.get_last_lr()


class Member:
    """An optimiser and its scheduler, which pbt.torch begins with lr, unless it is None."""

    def __init__(self, make: Make, made_with: float, lr: Optional[float], wrap: bool = False, tensor: bool = False) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.helper: Any = importlib.import_module("pbt.torch")
        self.schedulers: Any = importlib.import_module("torch.optim.lr_scheduler")
        rate = self.torch.tensor(made_with, dtype=self.torch.float64) if tensor else made_with
        parameter = self.torch.nn.Parameter(self.torch.zeros(1))
        self.optimizer = self.torch.optim.SGD([parameter], lr=rate, momentum=0.9)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old torch, of what its own SequentialLR does
            self.scheduler = make(self.schedulers, self.optimizer, made_with)
        self.parts = {"optimizer": self.optimizer, "scheduler": Wrapper(self.scheduler) if wrap else self.scheduler}
        if lr is not None:
            self.set(lr)

    def set(self, lr: float) -> Any:
        return self.helper.set_hypers({"lr": lr}, **self.parts)

    def rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def train(self, steps: int) -> list[float]:
        rates = []
        arguments = [1.0] if isinstance(self.scheduler, self.schedulers.ReduceLROnPlateau) else []
        for _ in range(steps):
            self.optimizer.step()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.scheduler.step(*arguments)
            rates.append(self.rate())
        return rates


@pytest.mark.parametrize("wrap", [False, True], ids=["", "wrapped"])
@pytest.mark.parametrize("k", [0, 3, 8, 13])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_copy_goes_on_as_if_it_had_begun_with_its_rate(name: str, k: int, wrap: bool, tmp_path: pathlib.Path) -> None:
    make = SCHEDULERS[name]
    donor, member, reference = Member(make, A, A), Member(make, 0.3, 0.3, wrap), Member(make, B, B)
    donor.train(k)
    wanted = [*reference.train(k), reference.rate(), *reference.train(ALL - k)][k:]
    donor.helper.save(tmp_path, **donor.parts)
    donor.helper.load(tmp_path, **member.parts)
    assert member.rate() == donor.rate()
    assert member.set(B) == {"lr": B}
    if hasattr(member.scheduler, "get_last_lr"):
        assert [float(x) for x in member.parts["scheduler"].get_last_lr()] == [member.rate()]
    assert [member.rate(), *member.train(ALL - k)] == pytest.approx(wanted, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("wrap", [False, True], ids=["", "wrapped"])
@pytest.mark.parametrize("k", [0, 3, 8, 13])
@pytest.mark.parametrize("name", [*SCHEDULERS, *FUNCTIONS])
def test_a_loaded_scheduler_continues_as_the_saved_one(name: str, k: int, wrap: bool, tmp_path: pathlib.Path) -> None:
    make = {**SCHEDULERS, **FUNCTIONS}[name]
    saved, loaded, reference = (Member(make, lr, None, wrap) for lr in (A, 0.3, A))
    saved.train(k)
    wanted = reference.train(ALL)[k:]
    saved.helper.save(tmp_path, **saved.parts)
    saved.helper.load(tmp_path, **loaded.parts)
    assert loaded.train(ALL - k) == wanted


@pytest.mark.parametrize("k", [0, 3, 8, 13])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_same_rate_again_changes_nothing(name: str, k: int, tmp_path: pathlib.Path) -> None:
    member, loaded, reference = (Member(SCHEDULERS[name], A, A) for _ in range(3))
    member.train(k)
    reference.train(k)
    member.helper.save(tmp_path, **member.parts)
    member.helper.load(tmp_path, **loaded.parts)
    for one in (member, loaded):
        before = str(one.optimizer.state_dict()), str(one.scheduler.state_dict())
        assert one.set(A) == {"lr": A}
        if k > 0 or "Plateau" not in name:
            assert before == (str(one.optimizer.state_dict()), str(one.scheduler.state_dict()))
    assert member.train(ALL - k) == loaded.train(ALL - k) == reference.train(ALL - k)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_rate_that_changes_at_each_ready_point(name: str) -> None:
    if name == "ReduceLROnPlateau, min_lr":
        pytest.skip("a rate at min_lr stays there, by design")
    member, reference = Member(SCHEDULERS[name], 0.2, A), Member(SCHEDULERS[name], B, B)
    for lr in (0.3, 0.02, 0.02, 0.07, B):
        assert member.set(lr) == {"lr": lr}
        member.train(3)
    assert member.train(ALL - 15) == pytest.approx(reference.train(ALL)[15:], rel=1e-9)


@pytest.mark.parametrize("why", REFUSED)
def test_what_has_no_exact_rule_is_refused(why: str) -> None:
    with pytest.raises(ValueError, match=f"cannot set lr under .*{why}"):
        Member(REFUSED[why], A, B)


def test_every_scheduler_of_torch_is_here() -> None:
    module = importlib.import_module("torch.optim.lr_scheduler")
    found = {
        name
        for name, cls in vars(module).items()
        if inspect.isclass(cls) and hasattr(cls, "step") and cls.__module__ == module.__name__ and not name.startswith("_")
    }
    assert found - {"LRScheduler"} == {name.split(",")[0] for name in SCHEDULERS}


def test_ones_own_schedulers() -> None:
    module: Any = importlib.import_module("torch.optim.lr_scheduler")
    cls: Any = getattr(module, "LRScheduler", None) or module._LRScheduler
    own = type("Own", (cls,), {"get_lr": lambda self: [base * 0.5**self.last_epoch for base in self.base_lrs]})
    with pytest.raises(ValueError, match="set pbt_proportional = True"):
        Member(lambda s, o, lr: own(o), A, B)
    assert Member(lambda s, o, lr: own(o), A, A).train(2) == [A / 2, A / 4]
    told = type("Told", (own,), {"pbt_proportional": True})
    derived = type("Derived", (module.StepLR,), {"more": 1})
    changed = type("Changed", (module.StepLR,), {"get_lr": vars(own)["get_lr"]})
    assert Member(lambda s, o, lr: told(o), A, B).train(2) == [B / 2, B / 4]
    assert Member(lambda s, o, lr: derived(o, 1), A, B).train(1) == pytest.approx([B / 10])
    with pytest.raises(ValueError, match="does not know how"):
        Member(lambda s, o, lr: changed(o, 1), A, B)


@pytest.mark.parametrize("name", ["LambdaLR, from 0", "LinearLR", "CosineAnnealingLR", "ReduceLROnPlateau"])
def test_an_optimiser_made_with_rate_0(name: str) -> None:
    assert Member(SCHEDULERS[name], 0.0, B).train(ALL) == pytest.approx(Member(SCHEDULERS[name], B, B).train(ALL))


def test_rate_0_leaves_no_factor() -> None:
    with pytest.raises(ValueError, match="leaves no factor to keep; make the optimizer with another lr"):
        Member(SCHEDULERS["SequentialLR"], 0.0, B)


def test_a_rate_at_min_lr_stays_there() -> None:
    member = Member(SCHEDULERS["ReduceLROnPlateau, min_lr"], A, A)
    member.train(ALL)
    assert member.rate() == 0.004 and member.set(0.5) == {"lr": 0.5} and member.rate() == 0.004


def test_a_plateau_that_began_without_pbt_is_refused() -> None:
    member = Member(SCHEDULERS["ReduceLROnPlateau"], A, A)
    member.train(ALL)
    del member.optimizer.param_groups[0]["pbt_lr"]
    with pytest.raises(ValueError, match="does not store the rate that it began with; call set_hypers before the first step"):
        member.set(A)


@pytest.mark.parametrize("name", ["OneCycleLR, three phases", "CyclicLR, triangular2"])
def test_momentum_that_the_scheduler_sets_is_refused(name: str) -> None:
    member = Member(SCHEDULERS[name], A, A)
    with pytest.raises(ValueError, match="cannot set momentum under .*cycle_momentum=False"):
        member.helper.set_hypers({"momentum": 0.5}, **member.parts)
    plain = Member(SCHEDULERS["OneCycleLR"], A, A)
    assert plain.helper.set_hypers({"momentum": 0.5}, **plain.parts) == {"momentum": 0.5}


def test_a_rate_that_is_a_tensor() -> None:
    member, reference = (
        Member(SCHEDULERS["CosineAnnealingLR"], A, A, tensor=True),
        Member(SCHEDULERS["CosineAnnealingLR"], B, B),
    )
    held = member.optimizer.param_groups[0]["lr"]
    member.train(8)
    if member.optimizer.param_groups[0]["lr"] is not held:
        pytest.skip("this torch's schedulers replace the tensor")
    assert member.set(B) == {"lr": pytest.approx(B)}
    assert member.optimizer.param_groups[0]["lr"] is held
    assert member.train(6) == pytest.approx(reference.train(14)[8:])


def test_a_scheduler_that_was_not_passed() -> None:
    member = Member(SCHEDULERS["CosineAnnealingLR"], A, A)
    member.train(8)
    with pytest.raises(ValueError, match="a scheduler acts on this optimizer and was not passed"):
        member.helper.set_hypers({"lr": B}, member.optimizer)
    assert member.helper.set_hypers({"weight_decay": 0.5}, member.optimizer) == {"weight_decay": 0.5}
    assert member.helper.set_hypers({"lr": B}, member.optimizer, scheduler=False) == {"lr": B}
    anew = member.schedulers.CosineAnnealingLR(member.optimizer, ALL)  # made in each segment
    assert member.rate() == B and anew.base_lrs == [B]


def test_two_groups_and_one_fixed_rate() -> None:
    member = Member(SCHEDULERS["StepLR"], A, A)
    torch = member.torch
    groups: Any = [
        {"params": [torch.nn.Parameter(torch.zeros(1))]},
        {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 7.0},
    ]
    groups[1]["pbt_fixed"] = ["lr"]
    optimizer = torch.optim.SGD(groups, lr=A)
    scheduler = member.schedulers.StepLR(optimizer, 1, 0.5)
    optimizer.step()
    scheduler.step()
    assert member.helper.set_hypers({"optimizer.lr": B}, optimizer, scheduler) == {"optimizer.lr": B}
    assert [g["lr"] for g in optimizer.param_groups] == [B / 2, 3.5] and scheduler.base_lrs == [B, 7.0]


def test_groups_without_weight_decay_stay_without() -> None:
    torch: Any = importlib.import_module("torch")
    helper: Any = importlib.import_module("pbt.torch")

    def make(decay: float) -> Any:
        weight, bias = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
        return torch.optim.AdamW([{"params": [weight]}, {"params": [bias], "weight_decay": 0.0}], weight_decay=decay)

    optimizer = make(0.1)
    for value in (0.5, 0.0, 0.2):  # 0 is a value of the hyperparameter too
        assert helper.set_hypers({"weight_decay": value}, optimizer) == {"weight_decay": value}
        assert [g["weight_decay"] for g in optimizer.param_groups] == [value, 0.0]
    other = make(0.3)
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[1]["pbt_fixed"] == ["weight_decay"]
    plain = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1)
    assert helper.set_hypers({"weight_decay": 0.5}, plain) == {"weight_decay": 0.5}
    assert plain.param_groups[0]["weight_decay"] == 0.5


def test_with_accelerate() -> None:
    accelerate: Any = pytest.importorskip("accelerate")
    member, reference = Member(SCHEDULERS["OneCycleLR"], A, A), Member(SCHEDULERS["OneCycleLR"], B, B)
    accelerator = accelerate.Accelerator(cpu=True)
    optimizer, scheduler = accelerator.prepare(member.optimizer, member.scheduler)
    for _ in range(8):
        optimizer.step()
        scheduler.step()
    assert member.helper.set_hypers({"lr": B}, optimizer, scheduler) == {"lr": B}
    assert member.rate() == pytest.approx(reference.train(8)[-1])
