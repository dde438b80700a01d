"""Start and look at runs: thin calls of the engine's binary."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
from typing import Any, Dict, List, Optional, Union

PathLike = Union[str, "os.PathLike[str]"]


def binary() -> str:
    """Find the engine's binary: PBT_BINARY, the wheel's own, or one in PATH."""
    named = os.environ.get("PBT_BINARY")
    if named:
        return named
    bundled = pathlib.Path(__file__).with_name("bin") / "pbt"
    if bundled.exists():
        return str(bundled)
    for directory in os.get_exec_path():
        found = shutil.which("pbt", path=directory)
        if found and not pathlib.Path(found).read_bytes().startswith(b"#!"):  # our own console script is none
            return found
    raise FileNotFoundError("no pbt binary: install the wheel that carries it, or put it into PATH, or set PBT_BINARY")


def run(experiment: PathLike, dir: Optional[PathLike] = None, **set_values: Any) -> Run:
    """Start a run of an experiment file as a child process.

    It runs in dir, by default the first of runs/NAME-1, runs/NAME-2, … that is free, where NAME is the
    file's. Other arguments set values of the file: population=4, budget={"steps": 100}, or, with two
    underscores for a dot, budget__steps=100.
    """
    if dir is None:
        name = pathlib.Path(experiment).stem
        dir = next(d for d in (f"runs/{name}-{n}" for n in itertools.count(1)) if not os.path.exists(d))
    command = [binary(), "run", os.fspath(experiment), "--dir", os.fspath(dir)]
    for key, value in set_values.items():
        text = value if isinstance(value, str) else json.dumps(value)
        command += ["--set", f"{key.replace('__', '.')}={text}"]
    return Run(dir, subprocess.Popen(command))._wait_until_begun()


def open(dir: PathLike) -> Run:
    """Look at a run that exists, whether it is running or not."""
    found = Run(dir)
    found.status()
    return found


class Run:
    """A run: its directory, and its process if it was started here.

    What reads returns plain data; rows become a pandas DataFrame where pandas is installed.
    """

    def __init__(self, dir: PathLike, process: Optional[subprocess.Popen[bytes]] = None) -> None:
        """Name a run; nothing is started."""
        self.dir = os.path.abspath(dir)
        self.process = process

    def wait(self, timeout: Optional[float] = None) -> Run:
        """Wait for the end. Raises subprocess.CalledProcessError if it failed (not if it was stopped)."""
        if self.process is None:
            raise RuntimeError(f"{self.dir} was not started here")
        code = self.process.wait(timeout)
        if code not in (0, 130):
            raise subprocess.CalledProcessError(code, self.process.args)
        return self

    def stop(self) -> Run:
        """Stop in good order: nothing recorded is lost. `pbt resume DIR` goes on."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.wait()

    def status(self) -> Dict[str, Any]:
        """Give the population as it is now."""
        return dict(json.loads(self._ask("status")))

    def best(self) -> Dict[str, Any]:
        """Give the best outcome: score, step, hypers, and the path of its checkpoint."""
        return dict(json.loads(self._ask("best")))

    def schedule(self, segment: Optional[int] = None) -> Any:
        """Give the hyperparameters along the ancestry of a segment, by default the best."""
        return _table(json.loads(self._ask("schedule", *([] if segment is None else [f"--segment={segment}"]))))

    def lineage(self) -> Any:
        """Give all segments, each with its parent."""
        return _table(json.loads(self._ask("lineage"))["segments"])

    def events(self) -> Any:
        """Give the journal."""
        return _table([json.loads(line) for line in self._ask("events").splitlines()])

    def _ask(self, command: str, *more: str) -> str:
        done = subprocess.run([binary(), command, self.dir, "--json", *more], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or f"pbt {command} failed with exit code {done.returncode}")
        return done.stdout

    def _wait_until_begun(self) -> Run:
        """Wait until the run can be asked, or has failed."""
        while self.process is not None and self.process.poll() is None:
            if os.path.exists(os.path.join(self.dir, "journal.sqlite")):
                with contextlib.suppress(RuntimeError):  # no event is recorded yet
                    self.status()
                    return self
            time.sleep(0.01)
        return self.wait()

    def __repr__(self) -> str:
        return f"pbt.open({self.dir!r})"


def _table(rows: List[Dict[str, Any]]) -> Any:
    """Give rows as a DataFrame if pandas is there, hyperparameters in columns of their own."""
    try:
        import pandas
    except ImportError:
        return rows
    return pandas.DataFrame([{**row, **row.get("hypers", {})} for row in rows])
