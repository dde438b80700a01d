"""Runs of the real binary, bin/pbt (`make build`), and the wheel that carries it."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import zipfile
from typing import Any

import pytest
from engine import SOURCE

import pbt
from pbt import _run

ROOT = pathlib.Path(__file__).parents[2]
BINARY = ROOT / "bin" / "pbt"
EXPERIMENT = """
name: bowl
population: 4
segment: {steps: 5}
budget: {steps: 20}
hyperparameters: {h0: {uniform: [0, 1]}, h1: {uniform: [0, 1]}}
trainer: {builtin: quadratic}
"""


@pytest.fixture(autouse=True)
def experiment(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert BINARY.exists(), "make build first"
    monkeypatch.setenv("PBT_BINARY", str(BINARY))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bowl.yaml").write_text(EXPERIMENT)


def test_a_run(capfd: pytest.CaptureFixture[str]) -> None:
    run = pbt.run("bowl.yaml", budget={"steps": 30}, segment__steps=10, exploit="none").wait()
    assert run.dir == os.path.abspath("runs/bowl-1")
    assert run.status()["state"] == "finished" and len(run.status()["members"]) == 4
    best = run.best()
    assert best["step"] == 30 and os.path.isdir(best["path"])
    schedule = run.schedule()
    assert list(schedule["from"]) == [0, 10, 20] and schedule["h0"][0] == best["hypers"]["h0"]
    assert len(run.schedule(best["segment"])) == 3
    lineage = run.lineage()
    assert len(lineage) == 12 and not lineage["copied"].any()
    assert "run_ended" in list(run.events()["kind"])
    assert repr(run) == f"pbt.open({run.dir!r})"
    again = pbt.open("runs/bowl-1")
    assert again.best() == best
    with pytest.raises(RuntimeError, match="was not started here"):
        again.wait()
    assert "bowl: 4 members" in capfd.readouterr().err


def test_without_pandas_rows_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    rows: Any = pbt.run("bowl.yaml", dir="here").wait().schedule()
    assert rows[0]["from"] == 0 and set(rows[0]["hypers"]) == {"h0", "h1"}


def test_stop() -> None:
    run = pbt.run("bowl.yaml", dir="long", budget__steps=10**9)
    assert run.status()["state"] != "finished"
    assert run.stop().status()["state"] == "stopped"
    assert run.stop() is run


def test_what_the_binary_refuses_is_raised() -> None:
    with pytest.raises(subprocess.CalledProcessError, match="exit status 2"):
        pbt.run("bowl.yaml", population="sixteen")
    with pytest.raises(RuntimeError, match="is not a run's directory"):
        pbt.open(".")


def test_where_the_binary_is(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PBT_BINARY")
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "pbt"
    script.write_text("#!/usr/bin/env python3\n")  # the console script: no engine
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{BINARY.parent}")
    assert _run.binary() == str(BINARY)
    monkeypatch.setenv("PATH", str(script.parent))
    with pytest.raises(FileNotFoundError, match="no pbt binary"):
        _run.binary()


def test_python_m_pbt() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pbt", "version"], env={**os.environ, "PYTHONPATH": SOURCE}, stdout=subprocess.PIPE
    )
    assert done.returncode == 0 and done.stdout.startswith(b"pbt ")


def test_the_wheel(tmp_path: pathlib.Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(ROOT / "python")]
    subprocess.run(build, check=True, env={**os.environ, "PBT_WHEEL_BINARY": str(BINARY)})
    (wheel,) = tmp_path.glob("*.whl")
    machine = os.uname().machine
    assert wheel.name == f"pbt_engine-{pbt.__version__}-py3-none-manylinux2014_{machine}.musllinux_1_1_{machine}.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"pbt/bin/pbt", "pbt/py.typed", "pbt/_client.py"} <= set(names) and not [n for n in names if "test" in n]

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([*pip, "--python", python, "install", "--no-index", str(wheel)], check=True)
    env = {"PATH": "/nowhere"}
    for command in ([str(tmp_path / "venv/bin/pbt"), "version"], [python, "-m", "pbt", "version"]):
        assert subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.startswith("pbt ")
    subprocess.run([python, "-c", "import pbt; assert next(iter(pbt.segments())).fresh"], env=env, check=True)


def test_what_pbt_run_takes() -> None:
    with pytest.raises(TypeError, match=r"pbt.run needs an experiment: pbt.run\(\"experiment.yaml\"\), or a dict"):
        pbt.run()
    with pytest.raises(TypeError, match="a dict or a function, not a int"):
        pbt.run(3)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="there is no experiment file 'nope.yaml' in .*pbt init"):
        pbt.run("nope.yaml")
    experiment = {
        "name": "dict",
        "population": 2,
        "segment": {"steps": 5},
        "budget": {"steps": 10},
        "hyperparameters": {"h0": {"uniform": [0, 1]}, "h1": {"uniform": [0, 1]}},
        "trainer": {"builtin": "quadratic"},
    }
    run = pbt.run(experiment, population=3).wait()
    assert run.dir == os.path.abspath("runs/dict-1") and len(run.status()["members"]) == 3
    assert sorted(os.listdir(".")) == ["bowl.yaml", "runs"]


def test_verify_explain_and_logs(tmp_path: pathlib.Path) -> None:
    run = pbt.run("bowl.yaml").wait()
    assert run.verify() and run.explain(1)["segment"] == 1
    assert run.logs() == {}
    with pytest.raises(RuntimeError, match="99999"):
        run.explain(99999)
    logs = pathlib.Path(run.dir, "logs")
    logs.mkdir(exist_ok=True)
    (logs / "slot-1.log").write_text("a\nb\nc\n")
    assert run.logs(lines=2) == {"slot-1": "b\nc"} and run.logs(lines=0) == {"slot-1": ""}


def test_settings_of_a_resume_outlive_a_kill_at_once() -> None:
    run = pbt.run("bowl.yaml", dir="r").wait()
    run.resume(budget__steps=10**9)
    assert run.process is not None
    run.process.kill()
    run.process.wait()
    assert run.resume().status()["state"] != "finished"
    kinds = list(run.events()["kind"])
    run.stop(now=True)
    assert kinds.count("spec_changed") == 1
    run.resume(budget__steps=10**9).stop(now=True)  # a setting that is unchanged is not waited for


SCRIPT = """
import os, signal, sys, pbt
run = pbt.run("bowl.yaml", dir="r", budget__steps=10**9, detach=sys.argv[1] == "detach")
assert os.getsid(run.process.pid) == run.process.pid != os.getsid(0)
try:
    os.killpg(0, signal.SIGINT)  # as the interrupt of a notebook's cell
    signal.pause()
except KeyboardInterrupt:
    pass
print(run.process.poll(), run.process.pid)
"""


@pytest.mark.parametrize("how", ["attach", "detach"])
def test_an_interrupt_does_not_reach_the_run(how: str) -> None:
    command = [sys.executable, "-c", SCRIPT, how]
    env = {**os.environ, "PYTHONPATH": SOURCE}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True, timeout=60)
    assert done.returncode == 0 and done.stdout.split()[0] == "None"
    run = pbt.open("r")
    if how == "detach":
        assert (run.status()["owner"] or {})["pid"] == int(done.stdout.split()[1])
        run.stop(now=True)
    while run.status().get("owner") is not None:
        pass
    assert run.status()["state"] == "stopped"
