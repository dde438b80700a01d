"""The loop of a trainer: segments(), and what a segment can do.

A session talks to the engine's socket (_wire.Connection), or to a stand-in in this process (_alone.Alone).
"""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import signal
import sys
import threading
import time
import traceback
from operator import itemgetter
from types import FrameType, TracebackType
from typing import Any, Callable, Dict, Iterator, Mapping, NoReturn, Optional, Sequence, Tuple, Type, Union

from . import _alone
from ._version import __version__
from ._wire import PROTOCOL, Connection, Message, ProtocolError, number, numbers, sample_list, shorten, step_count

LOOK_S = 0.05  # between two looks at the socket while training
PROGRESS_S = 0.1  # between two progress messages that are sent
QUIET_S = 1.0  # without progress from the script, after which the iteration sends its own
LAST_WORD_S = 1.0  # how long a process told to end waits for a segment that may be on its way
SAME = 1e-6  # relative; hyperparameters kept in single precision are still those asked for

_FIRST: Callable[[Tuple[int, int]], int] = itemgetter(0)


class Stopped(SystemExit):
    """The segment was given up: the run stops (exit code 0), or the engine is gone (1).

    It is a SystemExit, so that `except Exception` lets it pass, `finally` is run, and no traceback shown.
    """


class Hypers(Dict[str, Any]):
    """Hyperparameters by full name. `hypers.lr` is `hypers["lr"]`, and `hypers.optimizer.lr` is
    `hypers["optimizer.lr"]`; where a name is also a dict's method, only brackets give the value.
    """

    __slots__ = ()

    def __missing__(self, name: str) -> NoReturn:
        raise KeyError(
            f"no hyperparameter {name}; there are: {', '.join(self) or 'none'}. Declare it in the experiment"
            f" file, or, for a run without the engine, give --pbt.{name}=… or pbt.segments(defaults=…)"
        )

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        group = {full[len(name) + 1 :]: value for full, value in self.items() if full.startswith(name + ".")}
        if group:
            return Hypers(group)
        raise AttributeError(f"no hyperparameter {name}; there are: {', '.join(self) or 'none'}")


Peer = Union[Connection, _alone.Alone]  # whom a session talks to


class Segment:
    """One stretch of training: from where, how far, with which hyperparameters."""

    def __init__(self, message: Message, defaults: Mapping[str, Any], session: Session) -> None:
        """Read the engine's message."""
        try:
            self.lease: int = message["lease"]
            self.id: int = message["segment"]  #: its number in the run
            self.member: int = message["member"]
            self.start: str = message["start"]  #: fresh, load or hold
            self.load: Optional[str] = message.get("load")  #: the directory to load from, or None
            self.from_step: int = message["from"]  #: steps that the weights have behind them
            self.steps: int = message["steps"]  #: steps to train
            self.until: int = message.get("until", self.from_step + self.steps)  #: the step at which it ends
            self.seed: int = message["seed"]  #: for this segment's randomness, below 2^63
            self.weight_seed: int = message["weight_seed"]  #: for fresh weights
            self._asked: Dict[str, Any] = message["hypers"]
        except KeyError as e:
            raise ProtocolError(f"a segment without {e}") from None
        self.fresh = self.start == "fresh"  #: new weights, drawn from weight_seed
        self.hold = self.start == "hold"  #: go on with the weights in memory
        self.hypers = Hypers({**defaults, **self._asked})  #: what to train with
        self._session = session
        self._begun = self._reported = False  # `loaded`, `report` is sent
        self._trained_at: Optional[float] = None  # when the iteration ended
        self._done, self._progress_at = 0, 0.0  # steps iterated over; when progress may be sent again
        self._given: Optional[int] = None  # steps that the iteration has given; None: it has not begun

    @property
    def stopping(self) -> bool:
        """Whether the process shall end after this segment, by the engine's word or SIGTERM."""
        self._session.look()
        return self._session.stopping

    def in_force(self, values: Optional[Mapping[str, Any]] = None, **named: Any) -> None:
        """Tell which hyperparameters are really in force, read back from where they act.

        Optional, and before training: without it the engine hears what `hypers` holds by then.
        A value other than the one asked for fails the segment.
        """
        if self._begun:
            raise RuntimeError("in_force comes too late: call it after loading, before the first step")
        merged = {**(values or {}), **named}
        for name in merged.keys() - self._asked.keys() - self.hypers.keys():
            raise ValueError(f"in_force: no hyperparameter {name}; there are: {', '.join(self._asked) or 'none'}")
        self._begin(merged)

    def _begin(self, in_force: Optional[Mapping[str, Any]] = None) -> None:
        """Send `loaded`, once."""
        if not self._begun:
            held = {**self._asked, **self.hypers, **(in_force or {})}
            echo = {name: _echo(name, held[name], asked) for name, asked in self._asked.items()}
            self._begun, self._progress_at = True, time.monotonic()
            self._session.send({"type": "loaded", "lease": self.lease, "hypers": echo})

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[int]:
        """Count the training steps, from_step first. Sends progress and notices a stop."""
        return map(_FIRST, self.chunks(1))

    def chunks(self, size: int) -> Iterator[Tuple[int, int]]:
        """Give the training steps `size` at a time, as (first step, how many): for compiled loops, as of jax.lax.scan.

        The last chunk may be shorter. Instead of iterating over the segment, and as heedful: it sends
        progress and notices a stop between two chunks.
        """
        if size < 1:
            raise ValueError(f"chunks of {size} steps: want at least 1")
        if self._given is not None:
            raise RuntimeError(f"segment {self.id} is trained already")
        self._given = 0
        return self._train(size)

    def _train(self, size: int) -> Iterator[Tuple[int, int]]:
        self._begin()
        session, clock, began = self._session, time.monotonic, time.monotonic()
        first, total, done = self.from_step, self.steps, 0
        try:
            while done < total:
                steps = size if size < total - done else total - done
                self._given = done + steps
                yield first + done, steps
                self._done = done = done + steps
                now = clock()
                if now >= session.look_at:
                    session.look(still_s=(now - began) / done * (total - done))
                    if now >= self._progress_at + QUIET_S:
                        self.progress()
        finally:
            self._trained_at = clock()

    def progress(self, step: Optional[int] = None, **metrics: Any) -> None:
        """Tell those who look on how far it is: metrics, and steps done in this segment.

        The step need only be given by a script that does not iterate over the segment. Cheap enough
        for each step: about ten a second are sent, the others are forgotten, and it never waits.
        """
        now = time.monotonic()
        if now < self._progress_at or self._reported:
            return
        self._progress_at = now + PROGRESS_S
        message = {"type": "progress", "lease": self.lease, "step": self._done if step is None else int(step)}
        if metrics:
            message["metrics"] = numbers(metrics)
        self._begin()
        self._session.send(message, drop=True)

    def report(
        self,
        score: Any,
        save: Optional[Callable[[str], object]] = None,
        *,
        samples: Any = None,
        metrics: Optional[Mapping[str, Any]] = None,
        steps: Optional[int] = None,
        done: bool = False,
    ) -> None:
        """End the segment with its outcome. NaN and infinite scores are allowed: it has diverged.

        `save(directory)` is called if a checkpoint is wanted: write everything that training goes on
        from, but no random generator's state. `samples` are single results behind the score, such as
        episode returns; `metrics` are recorded and decide nothing. `steps` is how many steps were trained,
        if not as many as asked for: after iterating over a part of the segment it must be given, unless the
        score is not finite. `done`: the member has converged or solved its task, and trains no further.
        """
        now = time.monotonic()
        if self._reported:
            raise RuntimeError(f"segment {self.id} has reported already")
        message = {"type": "report", "lease": self.lease, "score": number(score, "the score")}
        trained = self._trained(steps, diverged=isinstance(message["score"], str))
        if trained != self.steps:
            message["steps"] = trained
        if done:
            message["done"] = True
        if samples is not None:
            message["samples"] = sample_list(samples)
        if metrics:
            message["metrics"] = numbers(metrics)
        if self._trained_at is not None:
            message["eval"] = now - self._trained_at
        self._begin()
        self._reported = True
        self._session.send(message)
        answer = self._session.expect("save", "skip")
        if answer["type"] == "save":
            if save is None:
                raise RuntimeError("a checkpoint is wanted: report(score, save=…) with a function that saves into a directory")
            save(answer["dir"])
            self._session.send({"type": "saved", "lease": self.lease})
        self._session.finished(tail_s=time.monotonic() - (self._trained_at or now))

    def _trained(self, steps: Optional[int], diverged: bool) -> int:
        """Give the number of steps trained: as told, else as counted. Without iterating over the segment: as asked."""
        if steps is not None:
            return step_count(steps)
        if self._given is None or self._given == self.steps:
            return self.steps
        if diverged and self._given:  # a loop that stops when it finds NaN has counted right
            return self._given
        raise RuntimeError(
            f"segment {self.id} asks for {self.steps} steps, and the loop took {self._given}: train all of them, or say"
            f" how many were trained: report(score, save=…, steps={self._given or 'N'})"
        )


def _echo(name: str, held: Any, asked: Any) -> Any:
    """Give the value in force as the engine compares it: as asked for, if it is that."""
    if getattr(held, "shape", None) == () and hasattr(held, "item"):
        held = held.item()  # a scalar of NumPy, torch or JAX
    if isinstance(held, (bool, str)) or isinstance(asked, (bool, str)):
        same = isinstance(held, (bool, int, float, str)) and held == asked
        return asked if same else held if isinstance(held, (bool, str)) else number(held, f"hyperparameter {name}")
    x = number(held, f"hyperparameter {name}")
    return asked if isinstance(x, float) and math.isclose(x, asked, rel_tol=SAME * isinstance(asked, float)) else x


class Session:
    """What the loop knows: its peer, the segment that is open, whether it shall stop."""

    def __init__(self, peer: Peer, defaults: Mapping[str, Any]) -> None:
        """Begin without a segment."""
        self.stopping, self._reason, self._deadline = False, "SIGTERM", math.inf
        self.look_at = 0.0  # when to look at the socket again
        self._peer, self._defaults = peer, defaults
        self._open: Optional[Segment] = None
        self._idle = False  # waits for a segment
        self._tail_s = 0.0  # what measuring and saving took last time
        self._pid, self._thread, self._hook = os.getpid(), threading.get_ident(), sys.excepthook

    def watch(self) -> None:
        """Watch the process, so that the engine hears why a segment ends early."""
        sys.excepthook = self._excepthook
        atexit.register(self._exits)
        os.register_at_fork(after_in_child=self._unwatch)
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._terminate)

    def segments(self) -> Iterator[Segment]:
        """Give one segment after another. The generator behind pbt.segments."""
        try:
            for segment in iter(self._next, None):
                yield segment
                if self._open is not None:
                    error = f"the loop went on before segment {segment.id} had reported: call segment.report(score, save=…)"
                    self.fail("error", error)
                    raise RuntimeError(error)
        finally:  # on an exception in the loop's body, _excepthook and _exits still have to say why
            if self._open is None:
                self.close()

    def _next(self) -> Optional[Segment]:
        """Wait for a segment and open it; None if there is no more."""
        if self._deadline < math.inf:  # told to stop
            return None
        self._idle = True
        try:
            message = self._peer.receive(LAST_WORD_S if self.stopping else None)
        except ConnectionError:
            return None
        finally:
            self._idle = False
        if message is None or message["type"] in ("stop", "exit"):
            return None
        if message["type"] != "segment":
            self._heed(message)
        self._open = Segment(message, self._defaults, self)
        if self.stopping:
            self.fail("preempted", self._reason)
        return self._open

    def expect(self, *types: str) -> Message:
        """Wait for a message of these types; heed what else comes."""
        while (message := self._receive()).get("type") not in types:
            self._heed(message)
        return message

    def _receive(self, timeout: Optional[float] = None) -> Message:
        try:
            return self._peer.receive(timeout) or {}
        except ConnectionError as e:
            self._lost(e)

    def send(self, message: Message, drop: bool = False) -> None:
        """Send a message about the open segment."""
        try:
            self._peer.send(message, drop)
        except ConnectionError as e:
            if not drop:  # else the next look finds out
                self._lost(e)

    def look(self, still_s: Optional[float] = None) -> None:
        """Heed what the engine has said meanwhile; never waits, and looks now and then only.

        With still_s, the time that training still takes, it leaves a segment too late for the grace given.
        """
        now = time.monotonic()
        if now < self.look_at or threading.get_ident() != self._thread or os.getpid() != self._pid:
            return
        self.look_at = now + LOOK_S
        if message := self._receive(0):
            self._heed(message)
        if still_s is not None and now + still_s + self._tail_s > self._deadline:
            self.fail("preempted", self._reason)
            raise Stopped(0)

    def _heed(self, message: Message) -> None:
        if message["type"] == "error":
            raise ProtocolError(f"the engine: {message.get('error')}")
        if message["type"] not in ("stop", "exit"):
            raise ProtocolError(f"the engine says {message['type']}, which makes no sense now")
        self.stopping = True
        self._reason = str(message.get("reason", message["type"]))
        self._deadline = time.monotonic() + message.get("grace", 0)

    def _lost(self, error: ConnectionError) -> NoReturn:
        self._open = None
        with contextlib.suppress(ConnectionError):
            if last := self._peer.receive(0):  # it may have said why
                self._heed(last)
        raise Stopped(f"pbt: the engine is gone, the segment is given up: {error}") from None

    def finished(self, tail_s: float) -> None:
        """Note that the open segment is complete, and what came after its training took."""
        self._tail_s, self._open = tail_s, None

    def fail(self, kind: str, error: str) -> None:
        """Tell the engine that the open segment failed, and hang up, so that no other comes after it."""
        segment, self._open = self._open, None
        if segment is not None and os.getpid() == self._pid:
            with contextlib.suppress(ConnectionError):  # it sees that we end
                self._peer.send({"type": "failed", "lease": segment.lease, "kind": kind, "error": shorten(error)})
            self.close()

    def close(self) -> None:
        """End the connection, and leave the process as it was found."""
        self._peer.close()
        self._unwatch()

    def _unwatch(self) -> None:
        """Put back the process's hooks; in a forked child too, which is none of the engine's business."""
        atexit.unregister(self._exits)
        if sys.excepthook == self._excepthook:
            sys.excepthook = self._hook
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == self._terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _terminate(self, signum: int, frame: Optional[FrameType]) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends the process at once
        self.stopping = True
        if self._idle and isinstance(self._peer, Connection):
            self._peer.stop_waiting()

    def _excepthook(self, kind: Type[BaseException], error: BaseException, trace: Optional[TracebackType]) -> None:
        self.fail(_failure_kind(error), "".join(traceback.format_exception(kind, error, trace)))
        self._hook(kind, error, trace)

    def _exits(self) -> None:
        if self._open is not None:
            self.fail("error", f"the program ended in the middle of segment {self._open.id}")


def _failure_kind(error: BaseException) -> str:
    """Say which of the protocol's kinds of failure an exception is."""
    if isinstance(error, KeyboardInterrupt):
        return "preempted"
    memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's
    text = str(error)
    return "memory" if memory or "out of memory" in text.lower() or "RESOURCE_EXHAUSTED" in text else "error"


def segments(
    *, restart_on: Sequence[str] = (), fresh: bool = False, defaults: Optional[Mapping[str, Any]] = None
) -> Iterator[Segment]:
    """Give the segments that the engine wants trained; without the engine, those of the command line.

    Args:
        restart_on: hyperparameters that cannot change within a living process; the engine starts a new
            one when they do.
        fresh: the script makes fresh weights whenever segment.fresh is set. Without it every fresh
            start is a new process's first segment, so that a model may be made before the loop.
        defaults: hyperparameters that the experiment file (or the command line) leaves open.
    """
    path = os.environ.get("PBT_SOCKET")
    if path is None:
        return Session(_alone.Alone(defaults or {}), {}).segments()
    if not path:
        raise RuntimeError(
            "pbt.segments() was called again, or in a worker process; a trainer has one loop, in one process: put what"
            " starts it under `if __name__ == '__main__':` (to run a script of its own from a trainer, unset PBT_SOCKET)"
        )
    if _alone.OPTIONS:
        raise ValueError(f"--pbt.{next(iter(_alone.OPTIONS))} is for runs without the engine")
    session = Session(_connect(path, restart_on, fresh), defaults or {})
    session.watch()
    return session.segments()


def _connect(path: str, restart_on: Sequence[str], fresh: bool) -> Connection:
    if isinstance(restart_on, str):
        raise TypeError(f"restart_on is the text {restart_on!r}; want a list of names")
    connection = Connection(path)
    os.environ["PBT_SOCKET"] = ""  # it is ours, and no child's
    hello = {"type": "hello", "protocol": PROTOCOL, "client": f"pbt-python/{__version__}", "pid": os.getpid()}
    connection.send({**hello, "restart_on": list(restart_on), "fresh": fresh, "beats": True})
    welcome = connection.receive() or {}
    if welcome.get("type") == "error":
        raise ProtocolError(f"the engine: {welcome.get('error')}")
    if welcome.get("type") != "welcome" or welcome.get("protocol") != PROTOCOL:
        raise ProtocolError(f"this client speaks protocol {PROTOCOL}; the engine answered {welcome!r:.200}")
    connection.beat(welcome.get("beat", 0))
    return connection


def weight_seed() -> int:
    """Give the seed of fresh weights, for a model that is made before the loop.

    It is the first segment's weight_seed, if that is fresh; else, and without the engine, --pbt.seed or 1.
    """
    return int(os.environ.get("PBT_WEIGHT_SEED", _alone.seed()))
