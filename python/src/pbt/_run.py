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
from typing import Any, Dict, List, Mapping, Optional, Union

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
    return Run(dir, subprocess.Popen(command + _sets(set_values)))._wait_until_begun()


def open(dir: PathLike) -> Run:
    """Look at a run that exists, whether it is running or not."""
    found = Run(dir)
    found.status()
    return found


class Run:
    """A run: its directory, and its process if it was started here.

    What reads returns plain data; rows become a pandas DataFrame where pandas is installed. What steers is
    done by the process that trains the run, whoever started it, and is in the journal when the call
    returns; it returns a sentence that says what was done, and raises RuntimeError with the reason where it
    makes no sense.
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

    def stop(self, now: bool = False) -> Run:
        """Stop once the segments at work are done, or now: then they are given up.

        Nothing recorded is lost, and `pbt resume DIR` goes on. Waits for the end of a run that was started
        here; of another one it is only asked.
        """
        if self.process is None:
            self._steer("stop", *(["--now"] if now else []))
            return self
        try:
            self._steer("stop", *(["--now"] if now else []))
        except RuntimeError:  # it has ended; or it takes no orders, but signals
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGINT if now else signal.SIGTERM)
        return self.wait()

    def pause(self, reason: str = "") -> str:
        """Hand out no more segments until resume(). Those at work finish."""
        return self._steer("pause", *([f"--reason={reason}"] if reason else []))

    def resume(self, **set_values: Any) -> Run:
        """Go on: after pause(), in the process that waits; after a stop or a crash, in a new child process.

        A new process may change settings that alter no decision already made: run.resume(budget__steps=8000).
        """
        if self.status().get("owner") is not None:
            if set_values:
                raise RuntimeError(f"a process trains {self.dir} now: use change() for settings")
            self._steer("resume")
            return self
        self.process = subprocess.Popen([binary(), "resume", self.dir, *_sets(set_values)])
        return self._wait_until_taken()

    def kill(self, member: int) -> str:
        """Give up the segment that a member is at. It is trained again."""
        return self._steer("kill", str(member))

    def restart(self, member: int) -> str:
        """Let a member begin again: fresh weights, hyperparameters drawn anew."""
        return self._steer("restart", str(member))

    def set(self, member: int, hypers: Optional[Mapping[str, Any]] = None, **more: Any) -> str:
        """Set hyperparameters of a member, from its next segment on: run.set(3, lr=0.1).

        Names that are none in Python are given as a mapping: run.set(3, {"opt.lr": 0.1}).
        """
        return self._steer("set", str(member), *_pairs({**(hypers or {}), **more}))

    def copy(self, member: int, segment: int) -> str:
        """Let a member take over a segment's weights and hyperparameters."""
        return self._steer("copy", str(member), str(segment))

    def inject(self, hypers: Optional[Mapping[str, Any]] = None, *, segment: Optional[int] = None, **more: Any) -> str:
        """Add a member: from a segment, or from fresh weights under these hyperparameters.

        Hyperparameters that are left open are drawn.
        """
        begins = [] if segment is None else [f"--segment={segment}"]
        return self._steer("inject", *begins, *_pairs({**(hypers or {}), **more}))

    def retire(self, member: int) -> str:
        """Let a member train no more."""
        return self._steer("retire", str(member))

    def pin(self, segment: int) -> str:
        """Keep a segment's checkpoint, whatever `keep:` says, until unpin()."""
        return self._steer("pin", str(segment))

    def unpin(self, segment: int) -> str:
        """Keep a segment's checkpoint by the rules again."""
        return self._steer("unpin", str(segment))

    def change(self, **set_values: Any) -> str:
        """Change settings of the experiment: run.change(trainer__slots=4, exploit="ttest")."""
        return self._steer("change", *[f"{key.replace('__', '.')}={_text(v)}" for key, v in set_values.items()])

    def branch(self, segment: Union[int, str] = "best", dir: Optional[PathLike] = None, **set_values: Any) -> Run:
        """Start a new run that begins with a segment of this one, and return it.

        segment is a number, or "best". The new run is trained by a child process, in dir, by default the
        first of NAME-branch-1, NAME-branch-2, … that is free, where NAME is this run's directory.
        """
        if dir is None:
            dir = next(d for d in (f"{self.dir}-branch-{n}" for n in itertools.count(1)) if not os.path.exists(d))
        command = [binary(), "branch", self.dir, str(segment), "--dir", os.fspath(dir), *_sets(set_values)]
        return Run(dir, subprocess.Popen(command))._wait_until_begun()

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

    def _steer(self, verb: str, *more: str) -> str:
        return str(json.loads(self._ask(verb, *more))["say"])

    def _ask(self, command: str, *more: str) -> str:
        flags = [m for m in more if m.startswith("--")]
        rest = [m for m in more if not m.startswith("--")]
        arguments = [binary(), command, "--json", *flags, "--", self.dir, *rest]
        done = subprocess.run(arguments, capture_output=True, text=True)
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

    def _wait_until_taken(self) -> Run:
        """Wait until the process has the run, or has ended."""
        process = self.process
        while process is not None and process.poll() is None:
            if (self.status().get("owner") or {}).get("pid") == process.pid:
                return self
            time.sleep(0.01)
        return self.wait()

    def __repr__(self) -> str:
        return f"pbt.open({self.dir!r})"


def _sets(values: Mapping[str, Any]) -> List[str]:
    """Give settings as arguments: two underscores stand for a dot."""
    return [part for key, v in values.items() for part in ("--set", f"{key.replace('__', '.')}={_text(v)}")]


def _pairs(hypers: Mapping[str, Any]) -> List[str]:
    """Give hyperparameters as arguments. A text is written as JSON, so that "1" stays one."""
    return [f"{name}={json.dumps(v)}" for name, v in hypers.items()]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _table(rows: List[Dict[str, Any]]) -> Any:
    """Give rows as a DataFrame if pandas is there, hyperparameters in columns of their own."""
    try:
        import pandas
    except ImportError:
        return rows
    return pandas.DataFrame([{**row, **row.get("hypers", {})} for row in rows])
