"""A trainer without the engine: one segment after another, as the command line says.

    python train.py --pbt.lr=3e-4 --pbt.steps=1000 --pbt.segments=3 --pbt.save=models

Alone stands in for the engine and speaks its messages, so that the loop is the same one.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
from collections import deque
from typing import Any, Deque, Dict, List, Mapping, Optional

from ._wire import Message

PREFIX = "--pbt."
SETTINGS = {"segments": 1, "steps": 100, "seed": 1, "load": "", "save": ""}


def take_options(argv: List[str]) -> Dict[str, Any]:
    """Take the options --pbt.name=value out of a command line."""
    options: Dict[str, Any] = {}
    rest = iter(argv[:])
    argv.clear()
    for word in rest:
        if not word.startswith(PREFIX):
            argv.append(word)
            continue
        name, equals, text = word[len(PREFIX) :].partition("=")
        if not equals:
            text = next(rest, "")
        if not name or not (equals or text):
            raise SystemExit(f"{word}: want --pbt.NAME=VALUE")
        options[name] = _value(name, text)
    return options


def _value(name: str, text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    want = type(SETTINGS.get(name, value))
    if want is str or not isinstance(value, (bool, int, float)):
        value = text
    if name in SETTINGS and type(value) is not want:
        raise SystemExit(f"--pbt.{name}={text}: want a whole number")
    return value


#: Taken at import, so that a script's own argparse does not stumble over them.
OPTIONS = take_options(sys.argv)


def seed() -> int:
    """Give the seed of the whole run."""
    return int(OPTIONS.get("seed", SETTINGS["seed"]))


class Alone:
    """The engine's stand-in. It gives what the loop asks for, and prints a line per report."""

    def __init__(self, defaults: Mapping[str, Any]) -> None:
        """Read the command line's options over the defaults."""
        settings = {name: OPTIONS.get(name, value) for name, value in SETTINGS.items()}
        self._segments, self._steps = int(settings["segments"]), int(settings["steps"])
        self._load, self._keep = str(settings["load"]), str(settings["save"])
        self._hypers = {**defaults, **{name: value for name, value in OPTIONS.items() if name not in SETTINGS}}
        self._given, self._step = 0, 0  # segments; steps trained in all of them
        self._answers: Deque[Message] = deque()
        self._saving = ""

    def send(self, message: Message, drop: bool = False) -> None:
        """Take a message as the engine would."""
        if message["type"] == "loaded":
            for name, held in message["hypers"].items():
                if held != self._hypers[name]:
                    raise ValueError(f"hyperparameter {name} is {held!r} in force, and {self._hypers[name]!r} was asked for")
        elif message["type"] == "report":
            self._step += message.get("steps", self._steps)
            self._print({"score": message["score"], **message.get("metrics", {})})
            self._answers.append({"type": "save", "lease": self._given, "dir": self._directory()})
        elif message["type"] == "saved" and not self._keep:
            shutil.rmtree(self._saving)

    def _print(self, outcome: Mapping[str, Any]) -> None:
        shown, hypers = (
            " ".join(f"{name}={x:.6g}" if isinstance(x, float) else f"{name}={x}" for name, x in facts.items())
            for facts in (outcome, self._hypers)
        )
        print(f"segment {self._given}, step {self._step}: {shown} ({hypers})", flush=True)

    def _directory(self) -> str:
        """Make the empty directory for a checkpoint."""
        if self._keep:
            self._saving = os.path.abspath(os.path.join(self._keep, str(self._given)))
            os.makedirs(self._saving)
        else:
            self._saving = tempfile.mkdtemp(prefix="pbt-")
        return self._saving

    def receive(self, timeout: Optional[float] = None) -> Optional[Message]:
        """Give the answer that is due, or the next segment."""
        if timeout == 0:
            return None  # nobody interrupts
        if self._answers:
            return self._answers.popleft()
        if self._given >= self._segments:
            return {"type": "exit"}
        done, self._given = self._given, self._given + 1
        start = "hold" if done else "load" if self._load else "fresh"
        segment: Message = {"type": "segment", "lease": self._given, "segment": self._given, "member": 0, "start": start}
        if start == "load":
            segment["load"] = os.path.abspath(self._load)
        segment["seed"] = random.Random(f"{seed()}/{self._given}").getrandbits(63)
        hypers = dict(self._hypers)
        span = {"from": self._step, "steps": self._steps, "until": self._step + self._steps}
        return {**segment, **span, "hypers": hypers, "weight_seed": seed()}

    def close(self) -> None:
        """Do nothing."""
