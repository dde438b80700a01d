"""The engine's side of the protocol, for tests: a real Unix socket, and a real trainer process."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import sys
import textwrap
from typing import Any, Dict, List, Optional

TIMEOUT_S = 20
SOURCE = str(pathlib.Path(__file__).parents[1] / "src")
ASIDE = ("beat", "progress")


class Engine:
    """One slot. A test says what the engine says, and reads what the trainer says."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.aside: List[Dict[str, Any]] = []  # beats and progress, as they came
        self.process: Optional[subprocess.Popen[str]] = None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / "socket"))
        self._listener.listen()
        self._listener.settimeout(TIMEOUT_S)
        self._saves = 0

    def start(self, script: str, *args: str, beat: float = 60, **env: str) -> Dict[str, Any]:
        """Start a trainer, shake hands, and give its hello."""
        path = self.directory / "train.py"
        path.write_text(textwrap.dedent(script))
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(path), *args],
            env={**os.environ, "PYTHONPATH": SOURCE, "PBT_SOCKET": str(self.directory / "socket"), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
        )
        self.accept()
        hello = self.read()
        self.send(type="welcome", protocol=1, engine="fake", slot="slot-1", run=str(self.directory), beat=beat)
        return hello

    def accept(self) -> None:
        self.socket, _ = self._listener.accept()
        self.socket.settimeout(TIMEOUT_S)
        self._lines = self.socket.makefile("rb")

    def send(self, **message: Any) -> None:
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def segment(self, lease: int, start: str = "fresh", steps: int = 10, **more: Any) -> None:
        message = {"type": "segment", "lease": lease, "segment": lease, "member": 0, "start": start, "from": 0}
        self.send(**{**message, "steps": steps, "hypers": {"lr": 0.1}, "seed": 1, "weight_seed": 2, **more})

    def read(self, *expected: str) -> Dict[str, Any]:
        """Give the next message that is neither a beat nor progress; check its type."""
        while True:
            line = self._lines.readline()
            message: Dict[str, Any] = json.loads(line) if line else {"type": "eof"}
            if message["type"] not in ASIDE or message["type"] in expected:
                assert not expected or message["type"] in expected, message
                return message
            self.aside.append(message)

    def finish(self, lease: int) -> Dict[str, Any]:
        """Read `loaded` and `report`, ask for a checkpoint, and give the report."""
        self.read("loaded")
        report = self.read("report")
        self.save(lease)
        return report

    def save(self, lease: int) -> pathlib.Path:
        self._saves += 1
        directory = self.directory / f"checkpoint-{self._saves}"
        directory.mkdir()
        self.send(type="save", lease=lease, dir=str(directory))
        assert self.read("saved") == {"type": "saved", "lease": lease}
        return directory

    def end(self, *codes: int) -> str:
        """Wait for the trainer's end, and give its error output."""
        assert self.process is not None
        out, err = self.process.communicate(timeout=TIMEOUT_S)
        assert self.process.returncode in (codes or (0,)), (self.process.returncode, out, err)
        self.out = out
        return err

    def hang_up(self) -> None:
        self._lines.close()
        self.socket.close()

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout and self.process.stderr
            self.process.stdout.close()
            self.process.stderr.close()
        self._listener.close()
        if hasattr(self, "socket"):
            self.hang_up()
