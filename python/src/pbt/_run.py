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
import tempfile
import time
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Union

from . import _function

PathLike = Union[str, "os.PathLike[str]"]
LOG_TAIL = 1 << 20  # bytes of a log that logs() reads


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


def run(
    experiment: Union[PathLike, Mapping[str, Any], Callable[[], object], None] = None,
    dir: Optional[PathLike] = None,
    *,
    space: Optional[Mapping[str, Any]] = None,
    detach: bool = False,
    **set_values: Any,
) -> Run:
    """Start a run of an experiment file, of a dict with the same content, or of a function, as a child process.

    A function takes no arguments and has the loop `for segment in pbt.segments()`; it is called in the
    trainers' processes. Its experiment is `space`, which is the file's `hyperparameters`, and the other arguments:
    pbt.run(train, space={"lr": {"log": [1e-4, 1]}}, population=8, segment={"steps": 20}, budget={"steps": 200}).
    Functions of __main__ or a notebook, lambdas and closures need the package cloudpickle.

    It runs in dir, by default the first of runs/NAME-1, runs/NAME-2, … that is free, where NAME is the
    file's, the dict's `name`, or the function's. Other arguments set values of the file: population=4,
    budget={"steps": 100}, or, with two underscores for a dot, budget__steps=100.

    Interrupting this process or a notebook's cell does not reach the run; stop() stops it. When this process ends,
    also by SIGKILL, the run stops as after SIGTERM, or continues with detach=True, which prints nothing here.
    """
    if experiment is None:
        raise TypeError('pbt.run needs an experiment: pbt.run("experiment.yaml"), or a dict with the same content')
    if callable(experiment):
        return _run_function(experiment, dir, space, detach, set_values)
    if space is not None:
        raise TypeError("pbt.run takes space= only with a function: in a file or a dict it is `hyperparameters`")
    if isinstance(experiment, Mapping):
        with _written(experiment) as path:
            return run(path, dir or _free(f"runs/{experiment.get('name', 'run')}"), detach=detach, **set_values)
    if not isinstance(experiment, (str, os.PathLike)):
        raise TypeError(
            f"pbt.run needs the path of an experiment file, a dict or a function, not a {type(experiment).__name__}"
        )
    if not os.path.exists(experiment):
        raise FileNotFoundError(
            f"there is no experiment file {os.fspath(experiment)!r} in {os.getcwd()}; `pbt init` writes one"
        )
    if dir is None:
        dir = _free(f"runs/{pathlib.Path(experiment).stem}")
    command = [binary(), "run", os.fspath(experiment), "--dir", os.fspath(dir)]
    return Run(dir, _child(command + _sets(set_values), detach))._wait_until_begun()


def _free(name: str) -> str:
    """Give the first of NAME-1, NAME-2, … that does not exist."""
    return next(d for d in (f"{name}-{n}" for n in itertools.count(1)) if not os.path.exists(d))


@contextlib.contextmanager
def _written(experiment: Mapping[str, Any]) -> Iterator[str]:
    """Write a dict as an experiment file in this directory, which relative paths in it start from, until the run has begun."""
    text = json.dumps(experiment, allow_nan=False)  # JSON is YAML
    handle, path = tempfile.mkstemp(prefix=".pbt-", suffix=".yaml", dir=os.getcwd())
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        yield path
    finally:
        os.unlink(path)


def _run_function(
    function: Callable[[], object],
    dir: Optional[PathLike],
    space: Optional[Mapping[str, Any]],
    detach: bool,
    values: Mapping[str, Any],
) -> Run:
    """Start a run of a function. What finds it again lies in the run's directory, for a resume or a branch."""
    if space is None:
        raise TypeError('pbt.run of a function needs its hyperparameters: pbt.run(train, space={"lr": {"log": [1e-4, 1]}}, …)')
    text, name = _function.pack(function), _function.name_of(function)
    target = os.path.abspath(dir or _free(f"runs/{name}"))
    if os.path.exists(os.path.join(target, "journal.sqlite")):
        raise FileExistsError(f"{target} holds a run already: give another dir=, or continue it: pbt.open({target!r}).resume()")
    os.makedirs(target, exist_ok=True)
    path = pathlib.Path(target, _function.FILE)
    path.write_text(text)
    trainer = {**values.get("trainer", {}), "command": _function.command(path)}
    trainer["env"] = {**_function.environment(), **trainer.get("env", {})}
    plain = {key: value for key, value in values.items() if "__" not in key}
    sets = {key: value for key, value in values.items() if "__" in key}
    try:
        return run({"name": name, **plain, "hyperparameters": space, "trainer": trainer}, target, detach=detach, **sets)
    except BaseException:
        if not os.path.exists(os.path.join(target, "journal.sqlite")):
            path.unlink()
            with contextlib.suppress(OSError):  # it holds something else
                os.rmdir(target)
        raise


_held: Dict[int, subprocess.Popen[bytes]] = {}  # the runs that end with this process, by the write end of a pipe


def _child(command: List[str], detach: bool) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own: signals to this one, as of an interrupted cell, do not reach it.

    Unless it is detached, it stops at the end of file of a pipe whose write end only this process has. The
    kernel closes that end however this process ends.
    """
    if detach:  # what outlives this process keeps none of its pipes open
        null = subprocess.DEVNULL
        return subprocess.Popen(command, start_new_session=True, stdin=null, stdout=null, stderr=null)
    for end in [end for end, process in _held.items() if process.poll() is not None]:
        del _held[end]
        os.close(end)
    there, here = os.pipe()  # no program that this process executes inherits them, but the run
    try:
        process = subprocess.Popen(
            [*command, f"--stop-with-fd={there}"], start_new_session=True, stdin=subprocess.DEVNULL, pass_fds=(there,)
        )
    except BaseException:
        os.close(here)
        raise
    finally:
        os.close(there)
    _held[here] = process
    return process


def _let_go() -> None:
    """Close the write ends in a fork of this process: they would keep its runs going after it."""
    for end in _held:
        os.close(end)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


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

    def resume(self, *, detach: bool = False, **set_values: Any) -> Run:
        """Resume: after pause(), in the process that waits; after a stop or a crash, in a new child process.

        A new process may change settings that alter no decision already made: run.resume(budget__steps=8000). They
        are in the journal when the call returns. detach is as in pbt.run.
        """
        if self.status().get("owner") is not None:
            if set_values:
                raise RuntimeError(f"a process trains {self.dir} now: use change() for settings")
            self._steer("resume")
            return self
        last = self._last_event()
        self.process = _child([binary(), "resume", self.dir, *_sets(set_values)], detach)
        return self._wait_until_taken(last)

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

    def branch(
        self, segment: Union[int, str] = "best", dir: Optional[PathLike] = None, *, detach: bool = False, **set_values: Any
    ) -> Run:
        """Start a new run that begins with a segment of this one, and return it.

        segment is a number, or "best". The new run is trained by a child process, in dir, by default the
        first of NAME-branch-1, NAME-branch-2, … that is free, where NAME is this run's directory.
        """
        if dir is None:
            dir = _free(f"{self.dir}-branch")
        command = [binary(), "branch", self.dir, str(segment), "--dir", os.fspath(dir), *_sets(set_values)]
        return Run(dir, _child(command, detach))._wait_until_begun()

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

    def explain(self, segment: int) -> Dict[str, Any]:
        """Give where a segment's weights and hyperparameters came from, and why."""
        return dict(json.loads(self._ask("explain", str(segment))))

    def verify(self) -> Dict[str, Any]:
        """Replay every decision and check every checkpoint. Raises RuntimeError with the first difference."""
        return dict(json.loads(self._ask("verify")))

    def logs(self, lines: int = 100) -> Dict[str, str]:
        """Give the last lines of each trainer's output, by the name of its log: slot-1, slot-2, …"""
        found = {}
        for path in sorted(pathlib.Path(self.dir, "logs").glob("*.log")):
            with path.open("rb") as log:
                log.seek(max(0, path.stat().st_size - LOG_TAIL))
                text = log.read().decode(errors="replace")
            found[path.stem] = "\n".join(text.splitlines()[-lines:]) if lines > 0 else ""
        return found

    def _last_event(self) -> int:
        """Give the number of the newest event."""
        lines = self._ask("events", "--tail=1").splitlines()
        return int(json.loads(lines[-1])["seq"]) if lines else 0

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

    def _wait_until_taken(self, last: int) -> Run:
        """Wait until the process has the run and its session is in the journal, with the settings, or has ended."""
        process = self.process
        while process is not None and process.poll() is None:
            if (self.status().get("owner") or {}).get("pid") == process.pid and self._last_event() > last:
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
