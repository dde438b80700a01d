"""Runs of a Python function, by the real binary, bin/pbt (`make build`)."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any, Callable, Dict

import pytest
from engine import SOURCE
from test_run import experiment  # noqa: F401

import pbt

SETTINGS: Dict[str, Any] = {
    "space": {"lr": {"uniform": [0, 1]}},
    "population": 2,
    "segment": {"steps": 5},
    "budget": {"steps": 10},
    "trainer": {"slots": 1},
}
MODULE = """
import pbt

def train():
    x = 0.0
    for segment in pbt.segments(fresh=True):
        if segment.load:
            x = float(open(segment.load + "/x").read())
        for step in segment:
            x += segment.hypers.lr
        segment.report(x, save=lambda d: open(d + "/x", "w").write(str(x)))
"""


def closure(gain: float) -> Callable[[], None]:
    def train() -> None:
        for segment in pbt.segments(fresh=True):
            for _ in segment:
                pass
            segment.report(gain, save=lambda d: pathlib.Path(d, "x").write_text("1"))

    return train


def test_a_function_of_a_module(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "climber.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "lib")
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    import climber  # type: ignore[import-not-found]

    run = pbt.run(climber.train, **SETTINGS).wait()
    assert run.dir == os.path.abspath("runs/train-1") and run.status()["state"] == "finished"
    assert json.loads(pathlib.Path(run.dir, "function.json").read_text())["module"] == "climber"


def test_a_closure_and_a_resume_from_another_process() -> None:
    run = pbt.run(closure(2.5), dir="c", **SETTINGS).wait()
    assert run.best()["score"] == 2.5
    code = "import pbt; r = pbt.open('c').resume(budget__steps=20).wait(); b = r.branch('best', 'b', budget__steps=5).wait()"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": SOURCE})
    assert run.status()["state"] == "finished" and run.best()["score"] == 2.5
    assert {m["step"] for m in run.status()["members"]} == {20}
    assert pbt.open("b").status()["state"] == "finished"
    os.rename("c", "moved")
    assert pbt.open("moved").resume(budget__steps=25).wait().status()["state"] == "finished"


def test_an_exception_in_a_function() -> None:
    def train() -> None:
        for _ in pbt.segments(fresh=True):
            raise ValueError("the data are not there")

    run = pbt.run(train, dir="e", **SETTINGS)
    assert run.process is not None and run.process.wait() != 0
    assert "ValueError: the data are not there" in json.dumps(run.status())


def test_what_cannot_be_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="needs its hyperparameters: .*space="):
        pbt.run(closure(1))
    with pytest.raises(TypeError, match="space= only with a function"):
        pbt.run("bowl.yaml", space={})
    pipe = os.fdopen(os.pipe()[0])
    with pipe, pytest.raises(RuntimeError, match="cannot hand .* cloudpickle fails .*Make inside the function"):
        pbt.run(lambda: pipe.read(), **SETTINGS)
    with pytest.raises(subprocess.CalledProcessError):
        pbt.run(closure(1), **{**SETTINGS, "population": "sixteen"})
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(RuntimeError, match="cannot hand .*train.* is not installed.*module and import it, or: pip install"):
        pbt.run(closure(1), **SETTINGS)
    assert not os.path.exists("runs") or not os.listdir("runs")
