"""What goes over the socket: messages as lines of JSON, their numbers, their limits.

docs/protocol.md describes them. Who says what when is decided in _client.py.
"""

from __future__ import annotations

import contextlib
import json
import math
import operator
import os
import select
import socket
import threading
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Tuple

PROTOCOL = 1  # the only version there is
MAX_NAME = 200  # bytes
MAX_METRICS = 1000  # in a message
MAX_SAMPLES = 10_000  # in a report
MAX_STEPS = 1 << 40  # trained, in a report
MAX_ERROR = 16 << 10  # bytes of an error's text; the middle is left out
READ_BYTES = 1 << 16

Message = Dict[str, Any]

encode: Callable[[Message], str] = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class ProtocolError(RuntimeError):
    """The engine refused a message, or said something that this client does not understand."""


def decode(line: bytes) -> Message:
    """Read one line of the engine's."""
    try:
        message = json.loads(line)
    except ValueError as e:
        raise ProtocolError(f"not a message: {line[:80]!r}: {e}") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ProtocolError(f"not a message: {line[:80]!r}: want an object with a text `type`")
    return message


def number(value: Any, what: str) -> Any:
    """Give one number as JSON has it: a float, or a text if it is not finite.

    Takes whatever `float` takes (NumPy, torch and JAX scalars too), less what is a mistake
    where a measurement is wanted: truth values, texts and arrays, even those of one element.
    """
    kind = type(value)
    if kind is not float and kind is not int:
        shape = getattr(value, "shape", ())
        if len(shape) > 0:
            raise TypeError(f"{what} is an array of shape {tuple(shape)}; want one number, such as its mean")
        dtype = str(getattr(value, "dtype", ""))
        if isinstance(value, (bool, str, bytes)) or value is None or dtype.endswith("bool") or "complex" in dtype:
            raise TypeError(f"{what} is {value!r:.60}, a {kind.__name__}; want a number")
    try:
        x = float(value)
    except (TypeError, ValueError, OverflowError) as e:
        raise TypeError(f"{what} is {value!r:.60}, a {kind.__name__}; want a number ({e})") from None
    if math.isfinite(x):
        return x
    return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"


def numbers(values: Mapping[str, Any]) -> Dict[str, Any]:
    """Give metrics as JSON has them."""
    if len(values) > MAX_METRICS:
        raise ValueError(f"{len(values)} metrics; at most {MAX_METRICS} are possible")
    for name in values:
        if not isinstance(name, str) or not 0 < len(name.encode()) <= MAX_NAME:
            raise ValueError(f"{name!r:.60} is no name of a metric; want a text of 1 to {MAX_NAME} bytes")
    return {name: number(value, f"metric {name}") for name, value in values.items()}


def step_count(value: Any) -> int:
    """Give the number of steps that a segment has trained."""
    if isinstance(value, bool):
        raise TypeError(f"steps is {value!r}; want a whole number of trained steps")
    try:
        steps = operator.index(value)
    except TypeError:
        raise TypeError(f"steps is {value!r:.60}, a {type(value).__name__}; want a whole number of trained steps") from None
    if not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"steps is {steps}; want 1 to {MAX_STEPS}. If nothing was trained, raise an exception")
    return steps


def sample_list(values: Any) -> List[Any]:
    """Give samples as JSON has them. Takes any iterable, and arrays with one dimension."""
    listed = list(values.tolist() if hasattr(values, "tolist") else values)
    if len(listed) > MAX_SAMPLES:
        raise ValueError(f"{len(listed)} samples; at most {MAX_SAMPLES} are possible")
    return [number(x, f"sample {i}") for i, x in enumerate(listed)]


def shorten(text: str) -> str:
    """Leave out the middle of a text that is too long for a message."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= MAX_ERROR:
        return raw.decode()
    half = MAX_ERROR // 2 - 10
    return raw[:half].decode("utf-8", "ignore") + "\n … \n" + raw[-half:].decode("utf-8", "ignore")


class Connection:
    """The engine's socket. One thread receives; any may send.

    What talks raises ConnectionError when the engine is gone. In a forked child it is closed.
    """

    def __init__(self, path: str) -> None:
        """Connect to the engine."""
        self._pid = os.getpid()
        self._lock = threading.Lock()  # of what is sent
        self._out: Tuple[bytes, List[int]] = (b"", [])  # what is to be sent, and how much of it was
        self._unread = b""  # the beginning of a message
        self._messages: Deque[Message] = deque()
        self._closed = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError as e:
            raise ConnectionError(f"cannot reach the engine at {path}, as PBT_SOCKET says: {e}") from e
        os.register_at_fork(after_in_child=self._socket.close)  # else the engine would not see our end

    def send(self, message: Message, drop: bool = False) -> None:
        """Send a message. With drop it never waits: a message that finds no room is forgotten."""
        if os.getpid() != self._pid:
            return
        line = encode(message).encode() + b"\n"
        flags = socket.MSG_DONTWAIT if drop else 0
        with self._lock:
            rest = self._out[0][sum(self._out[1]) :]
            data, sent = self._out = rest + line, []
            try:
                while sum(sent) < len(data):
                    # The count is in the list before a signal's handler can raise; so an interrupted
                    # message is neither cut nor sent twice: the next send goes on where this one stopped.
                    sent.extend(map(self._socket.send, (data[sum(sent) :],), (flags,)))
                self._out = b"", []
            except BlockingIOError:
                if sum(sent) <= len(rest):  # nothing of the new message is in the socket
                    self._out = data[: len(rest)], sent
            except OSError as e:
                raise ConnectionError(f"the engine is out of reach: {e}") from e

    def receive(self, timeout: Optional[float] = None) -> Optional[Message]:
        """Wait for a message; None if none has begun to come within timeout seconds."""
        if timeout is not None and not self._messages:
            arrival = select.poll()
            arrival.register(self._socket, select.POLLIN)
            if not arrival.poll(timeout * 1000):
                return None
        while not self._messages:
            data = self._socket.recv(READ_BYTES)
            if not data:
                raise ConnectionResetError("the engine has closed the connection")
            *lines, self._unread = (self._unread + data).split(b"\n")
            self._messages.extend(map(decode, lines))
        return self._messages.popleft()

    def stop_waiting(self) -> None:
        """Let receive find the end, after what has come already. For handlers of signals."""
        with contextlib.suppress(OSError):  # the end has come already
            self._socket.shutdown(socket.SHUT_RD)

    def beat(self, every: float) -> None:
        """Send heartbeats from a thread of their own, until the connection's end."""
        if every > 0:
            threading.Thread(target=self._beat, args=(every,), name="pbt-beat", daemon=True).start()

    def _beat(self, every: float) -> None:
        with contextlib.suppress(ConnectionError):  # the thread that trains finds out
            while not self._closed.wait(every):
                self.send({"type": "beat"}, drop=True)

    def close(self) -> None:
        """End the connection."""
        self._closed.set()
        if os.getpid() == self._pid:
            self._socket.close()
