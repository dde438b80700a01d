"""A trainer without the engine."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import textwrap

import pytest
from engine import SOURCE

from pbt import _alone

SCRIPT = """
    import argparse, json, os, pathlib, pbt
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=1)
    args = parser.parse_args()
    w = pbt.weight_seed()
    for segment in pbt.segments(defaults={"lr": 1e-3, "name": "adam"}):
        if segment.load: w = float(pathlib.Path(segment.load, "w").read_text())
        for step in segment:
            w += segment.hypers.lr
            segment.progress(w=w)
        def save(directory):
            assert os.listdir(directory) == []
            pathlib.Path(directory, "w").write_text(str(w))
        segment.report(w, save=save, metrics={"epochs": args.epochs})
        print(segment.start, segment.from_step, segment.steps, segment.weight_seed, segment.stopping)
"""


def alone(directory: pathlib.Path, *args: str, script: str = SCRIPT, code: int = 0) -> tuple[str, str]:
    path = directory / "train.py"
    path.write_text(textwrap.dedent(script))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path), *args],
        env={"PYTHONPATH": SOURCE, "TMPDIR": str(directory)},
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == code, done
    return done.stdout, done.stderr


def test_by_default_one_segment(tmp_path: pathlib.Path) -> None:
    assert alone(tmp_path)[0] == "segment 1, step 100: score=1.1 epochs=1 (lr=0.001 name=adam)\nfresh 0 100 1 False\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["train.py"]  # the temporary checkpoint is gone


def test_steps_are_counted(tmp_path: pathlib.Path) -> None:
    script = """
        import pbt
        for segment in pbt.segments(fresh=True):
            print(segment.from_step, segment.until)
            segment.report(1, save=lambda d: None, steps=7)
    """
    out, _ = alone(tmp_path, "--pbt.steps=10", "--pbt.segments=2", script=script)
    assert out.splitlines() == ["0 10", "segment 1, step 7: score=1 ()", "7 17", "segment 2, step 14: score=1 ()"]


def test_options(tmp_path: pathlib.Path) -> None:
    out, _ = alone(
        tmp_path, "--pbt.lr=0.5", "--epochs", "3", "--pbt.steps", "10", "--pbt.segments=2", "--pbt.seed=4", "--pbt.save=kept"
    )
    assert out.splitlines() == [
        "segment 1, step 10: score=9 epochs=3 (lr=0.5 name=adam)",
        "fresh 0 10 4 False",
        "segment 2, step 20: score=14 epochs=3 (lr=0.5 name=adam)",
        "hold 10 10 4 False",
    ]
    assert (tmp_path / "kept/1/w").read_text() == "9.0" and (tmp_path / "kept/2/w").read_text() == "14.0"
    out, _ = alone(tmp_path, "--pbt.lr=1", "--pbt.load=kept/2", "--pbt.name", "sgd", "--pbt.steps=1")
    assert out == "segment 1, step 1: score=15 epochs=1 (lr=1 name=sgd)\nload 0 1 1 False\n"


def test_kept_checkpoints_are_not_overwritten(tmp_path: pathlib.Path) -> None:
    alone(tmp_path, "--pbt.save=kept")
    assert "FileExistsError" in alone(tmp_path, "--pbt.save=kept", code=1)[1]


def test_an_unknown_hyperparameter_says_how_to_give_it(tmp_path: pathlib.Path) -> None:
    script = "import pbt\nfor segment in pbt.segments(): segment.hypers['lr']"
    error = alone(tmp_path, "--pbt.momentum=1", script=script, code=1)[1]
    assert "no hyperparameter lr; there are: momentum." in error and "give --pbt.lr=…" in error


def test_the_old_configuration_of_a_checkpoint_is_found_out(tmp_path: pathlib.Path) -> None:
    """PAINS row 1, on the laptop already."""
    script = """
        import pbt
        for segment in pbt.segments(defaults={"lr": 0.1}):
            segment.hypers.update(lr=0.5)
            segment.report(1, save=print)
    """
    error = alone(tmp_path, script=script, code=1)[1]
    assert "ValueError: hyperparameter lr is 0.5 in force, and 0.1 was asked for" in error


@pytest.mark.parametrize("words", [["--pbt.steps=many"], ["--pbt.lr"], ["--pbt.="], ["--pbt.steps=1.5"]])
def test_bad_options(tmp_path: pathlib.Path, words: list[str]) -> None:
    error = alone(tmp_path, *words, code=1)[1]
    assert "want" in error and "Traceback" not in error


def test_options_are_for_runs_without_the_engine(tmp_path: pathlib.Path) -> None:
    script = "import os\nos.environ['PBT_SOCKET'] = '/s'\n" + textwrap.dedent(SCRIPT)
    assert "--pbt.lr is for runs without the engine" in alone(tmp_path, "--pbt.lr=1", script=script, code=1)[1]


def test_types_of_options() -> None:
    argv = ["train.py", "--pbt.a=1", "--x", "--pbt.b=1.5", "--pbt.c=true", "--pbt.d", "text", "--pbt.e=", "--pbt.f=[1]", "y"]
    options = _alone.take_options(argv)
    assert argv == ["train.py", "--x", "y"]
    assert options == {"a": 1, "b": 1.5, "c": True, "d": "text", "e": "", "f": "[1]"}
    assert [type(x) for x in options.values()] == [int, float, bool, str, str, str]


def test_kill_ends_it(tmp_path: pathlib.Path) -> None:
    script = "import os, pbt, signal\nfor segment in pbt.segments(): os.kill(os.getpid(), signal.SIGTERM)"
    alone(tmp_path, script=script, code=-15)
