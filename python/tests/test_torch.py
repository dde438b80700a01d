"""pbt.torch with the real library, 1.13 or later: pytest -m torch."""

from __future__ import annotations

import importlib
import pathlib
from typing import Any

import pytest
from test_messages import begin

from pbt import _wire

pytestmark = pytest.mark.torch

SEGMENT = {
    "type": "segment", "lease": 8, "segment": 9, "member": 2, "start": "load", "from": 200, "steps": 200,
    "hypers": {}, "seed": 1, "weight_seed": 0,
}  # fmt: skip


@pytest.fixture
def torch() -> Any:
    return importlib.import_module("torch")


@pytest.fixture
def helper(torch: Any) -> Any:
    return importlib.import_module("pbt.torch")


def make(torch: Any, lr: float, **more: Any) -> tuple[Any, Any, Any]:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, **more)
    return model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.5)


def train(torch: Any, model: Any, optimizer: Any, scheduler: Any, steps: int, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        x = torch.randn(8, 3, generator=generator)
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
        scheduler.step()


def same(torch: Any, a: Any, b: Any) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


def test_training_goes_on_exactly(torch: Any, helper: Any, tmp_path: pathlib.Path) -> None:
    a, b = make(torch, 0.1), make(torch, 0.1)
    train(torch, *a, steps=7)
    names = ("model", "optimizer", "scheduler")
    helper.save(tmp_path, **dict(zip(names, a)), scaler=None, extra={"epoch": 3, "order": [1, 2], "t": torch.ones(2)})
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]
    extra = helper.load(tmp_path, **dict(zip(names, b)), scaler=None)
    assert extra["epoch"] == 3 and extra["order"] == [1, 2] and torch.equal(extra["t"], torch.ones(2))
    for part in (a, b):
        train(torch, *part, steps=7, seed=1)
    assert same(torch, a[0], b[0])


def test_a_donors_rate_does_not_come_back(torch: Any, helper: Any, tmp_path: pathlib.Path) -> None:
    """PAINS row 1."""
    donor = make(torch, 0.5, weight_decay=0.2)
    helper.Checkpoint(*donor).save(tmp_path)
    model, optimizer, scheduler = make(torch, 9.0)
    hypers = {"lr": 1e-5, "optimizer.weight_decay": 0.01, "beta1": 0.8, "layers": 2, "params": 1}
    peer, segment = begin(message={**SEGMENT, "load": str(tmp_path), "hypers": hypers})
    helper.Checkpoint(model, optimizer, scheduler).begin(segment)
    (group,) = optimizer.param_groups
    assert (group["lr"], group["weight_decay"], group["betas"]) == (1e-5, 0.01, (0.8, 0.999))
    assert same(torch, model, donor[0])
    assert _wire.decode(peer.heard[0].encode())["hypers"] == hypers


def test_a_scheduler_keeps_its_factor(torch: Any, helper: Any) -> None:
    model, optimizer, scheduler = make(torch, 0.1)
    train(torch, model, optimizer, scheduler, steps=5)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)
    assert helper.set_hypers({"weight_decay": 0.5}, optimizer, scheduler) == {"weight_decay": 0.5}
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05) and scheduler.base_lrs == [0.1]
    assert helper.set_hypers({"lr": 0.2}, optimizer, scheduler) == {"lr": 0.2}
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1) and scheduler.base_lrs == [0.2]
    train(torch, model, optimizer, scheduler, steps=5)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


def test_fixed_settings_of_a_group(torch: Any, helper: Any) -> None:
    weight, bias = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    groups = [{"params": [weight]}, {"params": [bias], "weight_decay": 0.0, "pbt_fixed": ["weight_decay"]}]
    optimizer = torch.optim.SGD(groups, lr=0.1, weight_decay=0.1, momentum=0.9)
    in_force = helper.set_hypers({"weight_decay": 0.5, "momentum": 0.3}, optimizer)
    assert in_force == {"weight_decay": 0.5, "momentum": 0.3}
    assert [g["weight_decay"] for g in optimizer.param_groups] == [0.5, 0.0]
    assert [g["momentum"] for g in optimizer.param_groups] == [0.3, 0.3]


def test_what_could_not_be_read_again_is_refused(torch: Any, helper: Any, tmp_path: pathlib.Path) -> None:
    with pytest.raises(TypeError, match=r"extra\.a\[1\] is a object: want tensors"):
        helper.save(tmp_path, extra={"a": [1, object()]})
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_missing(torch: Any, helper: Any, tmp_path: pathlib.Path) -> None:
    helper.save(tmp_path, model=torch.nn.Linear(1, 1))
    with pytest.raises(KeyError, match="holds no optimizer; it holds model, extra"):
        helper.load(tmp_path, optimizer=make(torch, 1)[1])


def test_scores(torch: Any) -> None:
    assert _wire.number(torch.tensor(0.5, requires_grad=True).detach(), "the score") == 0.5
    assert _wire.number(torch.tensor(float("nan")), "the score") == "NaN"
    for wrong in (torch.zeros(1), torch.zeros(2, 2), torch.tensor(True)):
        with pytest.raises(TypeError, match="the score is"):
            _wire.number(wrong, "the score")
    assert _wire.sample_list(torch.arange(3)) == [0, 1, 2]
