"""Steering a run of the real binary from Python, bin/pbt (`make build`)."""

from __future__ import annotations

import pathlib
import time
from typing import Any, Callable, Dict, List

import pytest

import pbt

ROOT = pathlib.Path(__file__).parents[2]
BINARY = ROOT / "bin" / "pbt"
EXPERIMENT = """
name: bowl
population: 4
segment: {steps: 20000}
budget: {steps: 1000000000000}
hyperparameters: {h0: {uniform: [0, 1]}, h1: {uniform: [0, 1]}}
keep: {lineage: true}
trainer: {builtin: quadratic}
"""
PATIENCE_S = 60


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    assert BINARY.exists(), "make build first"
    monkeypatch.setenv("PBT_BINARY", str(BINARY))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bowl.yaml").write_text(EXPERIMENT)
    run = pbt.run("bowl.yaml", dir="bowl")
    yield run
    run.stop(now=True)


def until(what: Callable[[], Any]) -> Any:
    """Wait for what a run does in its own time."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)
    return found


def plain_events(run: pbt.Run) -> List[Dict[str, Any]]:
    rows = run.events()
    return rows if isinstance(rows, list) else list(rows.to_dict("records"))


def test_every_verb(run: pbt.Run) -> None:
    until(lambda: run.status()["best"])
    assert "no more segments" in run.pause("a look")
    until(lambda: run.status()["segments"]["running"] == 0)
    best = run.best()["segment"]
    assert "h0=0.5" in run.set(1, h0=0.5)
    assert "h1=0.25" in run.set(2, {"h1": 0.25})
    assert f"segment {best}" in run.copy(3, best)
    assert "fresh weights" in run.inject(h0=0.75)
    assert f"segment {best}" in run.inject(segment=best)
    assert "kept until it is unpinned" in run.pin(best)
    assert "fresh weights" in run.restart(2)
    assert "trains no more" in run.retire(5)
    assert "2" in run.change(trainer__slots=2, exploit="none")
    assert run.resume() is run
    until(lambda: run.status()["segments"]["running"] == 2)
    until(lambda: "given up" in kill_somebody(run))
    assert "by the rules again" in run.unpin(best)
    members = run.status()["members"]
    assert len(members) == 6 and members[5]["state"] == "retired"
    by_hand = [e["event"] for e in plain_events(run) if e["kind"] in ("steered", "member_added", "paused", "resumed", "pinned")]
    assert len(by_hand) == 10 and all(e["by"] for e in by_hand)
    assert run.stop().status()["state"] == "stopped"
    assert run.resume(budget__steps=1).wait().status()["state"] == "finished"
    with pytest.raises(RuntimeError, match="no process trains"):
        run.set(1, h0=0.5)


def kill_somebody(run: pbt.Run) -> str:
    """Give up a segment: who trains has often ended before it is asked."""
    for member in run.status()["members"]:
        if member["state"] == "running":
            try:
                return run.kill(member["id"])
            except RuntimeError as reason:
                assert "no segment of it is being trained" in str(reason)
    return ""


@pytest.mark.parametrize(
    ("verb", "arguments", "why"),
    [
        ("set", (9, {"h0": 0.5}), "there is no member 9"),
        ("set", (-1, {"h0": 0.5}), "is no member"),
        ("set", ("x", {"h0": 0.5}), "is no member"),
        ("set", (1, {"h0": 2}), "h0: 2 is not a number in"),
        ("set", (1, {"h0": "much"}), "h0: "),
        ("set", (1, {"h0": [1]}), "is not a value of a hyperparameter"),
        ("set", (1, {"h0": float("nan")}), "h0: "),
        ("set", (1, {"nope": 1}), "there is no hyperparameter"),
        ("set", (1, {}), "usage"),
        ("set", (1, {"h0": "x" * 100000}), "h0: "),
        ("copy", (1, 99999999), "there is no segment 99999999"),
        ("copy", (1, 0), "is no segment"),
        ("kill", (99,), "there is no member 99"),
        ("restart", (99,), "there is no member 99"),
        ("retire", (99,), "there is no member 99"),
        ("pin", (99999999,), "has no checkpoint"),
        ("unpin", (1,), "is not pinned"),
        ("pause", ("x" * 5000,), "reason"),
        ("branch", (99999999,), "exit status 1"),
    ],
)
def test_what_makes_no_sense_is_refused(run: pbt.Run, verb: str, arguments: Any, why: str) -> None:
    with pytest.raises(Exception, match=why):
        getattr(run, verb)(*arguments)
    reasons = {"seed": "would change decisions", "trainer__command": "start of a sitting", "nope": "unknown key"}
    for setting, why in reasons.items():
        if verb == "unpin":
            with pytest.raises(RuntimeError, match=why):
                run.change(**{setting: ["true"] if setting == "trainer__command" else 7})


def test_a_branch(run: pbt.Run) -> None:
    until(lambda: run.status()["best"])
    run.pause()
    branch = run.branch("best", budget__steps=40000, population=2).wait()
    status = branch.status()
    assert status["state"] == "finished" and status["origin"]["dir"] == run.dir and len(status["members"]) == 2
    assert branch.dir == run.dir + "-branch-1"
    assert branch.best()["step"] > 0
