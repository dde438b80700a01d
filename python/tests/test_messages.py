"""The golden messages that the Go tests read too."""

from __future__ import annotations

import json
import math
import pathlib
from collections import deque
from typing import Any, Deque, Dict, List, Optional, Sequence, cast

import pytest

import pbt
from pbt import _client, _wire

GOLDEN = json.loads((pathlib.Path(__file__).parents[2] / "protocol" / "testdata" / "messages.json").read_text())
SEGMENTS = [json.loads(g["line"]) for g in GOLDEN["from_engine"] if g["type"] == "segment"]


class Peer:
    """Says what it is told to, and keeps what it hears."""

    def __init__(self, *says: Dict[str, Any]) -> None:
        self.says: Deque[Dict[str, Any]] = deque(says)
        self.heard: List[str] = []

    def send(self, message: Dict[str, Any], drop: bool = False) -> None:
        self.heard.append(_wire.encode(message))

    def receive(self, timeout: Optional[float] = None) -> Optional[Dict[str, Any]]:
        return None if timeout == 0 else self.says.popleft()

    def close(self) -> None:
        pass


def begin(*says: Dict[str, Any], message: Dict[str, Any] = SEGMENTS[0]) -> tuple[Peer, _client.Segment]:
    peer = Peer(message, *says)
    return peer, next(iter(_client.Session(cast(Any, peer), {}).segments()))


def golden(kind: str) -> List[str]:
    return [g["line"] for g in GOLDEN["from_trainer"] if g["type"] == kind]


def test_the_engines_messages_are_read() -> None:
    for g in GOLDEN["from_engine"]:
        message = _wire.decode(g["line"].encode())
        assert message["type"] == g["type"]
        assert message == json.loads(g["line"])


def test_segments() -> None:
    fresh, load, hold = (begin(message=m)[1] for m in SEGMENTS)
    assert (fresh.fresh, fresh.hold, fresh.load) == (True, False, None)
    assert (load.fresh, load.hold, load.load) == (False, False, "/runs/a/checkpoints/s000000003-7")
    assert (hold.fresh, hold.hold, hold.load) == (False, True, None)
    assert (fresh.id, fresh.member, fresh.from_step, fresh.steps, len(fresh)) == (3, 2, 0, 200, 200)
    assert (fresh.seed, fresh.weight_seed) == (2**63 - 1, 12)
    assert fresh.hypers == {"lr": 0.001, "batch": 32, "optimizer.name": "adam", "nesterov": True}
    assert type(fresh.hypers["batch"]) is int


def test_loaded() -> None:
    peer, segment = begin()
    segment.in_force()
    assert peer.heard == golden("loaded")


def test_progress() -> None:
    peer, segment = begin()
    segment.progress(120, loss=0.25)
    assert peer.heard[1:] == golden("progress")


def test_report_and_saved() -> None:
    plain, full, short = golden("report")
    peer, segment = begin({"type": "save", "lease": 7, "dir": "/d"})
    segment.report(0.93, save=lambda directory: None)
    assert peer.heard[1:] == [plain, *golden("saved")]

    peer, segment = begin({"type": "skip", "lease": 7})
    metrics = {"loss": -math.inf, "kl": 1e-9}
    for _ in segment:
        pass
    segment.report(math.nan, samples=[1, math.inf, -2.5], metrics=metrics)
    sent, want = json.loads(peer.heard[1]), json.loads(full)
    assert sent.pop("eval") >= 0 and want.pop("eval")
    assert sent == want

    peer, segment = begin({"type": "skip", "lease": 7})
    segment.report(0.93, steps=3, done=True)
    assert peer.heard[1:] == [short]


def test_failed() -> None:
    peer, segment = begin()
    segment._session.fail("error", "ValueError: bad lr\n  line 2")
    segment._session._open = segment
    segment._session.fail("preempted", "SIGTERM")
    assert peer.heard == golden("failed")


@pytest.mark.parametrize(
    "line", ["", "hello", "[1]", '{"type":"welcome"', "{}", '{"type":1}', '{"type":"exit"} {"type":"exit"}']
)
def test_no_messages(line: str) -> None:
    with pytest.raises(pbt.ProtocolError, match="not a message"):
        _wire.decode(line.encode())


BAD_SCORES: Sequence[Any] = [None, "0.9", "high", b"1", True, [1.0], {}, object(), 1j, 10**400]


@pytest.mark.parametrize("score", BAD_SCORES, ids=repr)
def test_a_bad_number_is_refused_before_anything_is_sent(score: Any) -> None:
    for wrong in ({"score": score}, {"score": 1, "samples": [score]}, {"score": 1, "metrics": {"a": score}}):
        peer, segment = begin({"type": "skip", "lease": 7})
        with pytest.raises(TypeError, match="the score|sample 0|metric a"):
            segment.report(**wrong)
        assert peer.heard == []
        segment.report(1)  # and the script may report again


def test_limits_are_checked_before_anything_is_sent() -> None:
    peer, segment = begin()
    for wrong in ({"metrics": {"": 1}}, {"metrics": {"a" * 201: 1}}, {"metrics": {1: 1}}, {"samples": [0] * 10_001}):
        with pytest.raises(ValueError, match="want a text|at most"):
            segment.report(1, **wrong)
    with pytest.raises(ValueError, match="at most 1000"):
        segment.report(1, metrics={str(i): i for i in range(1001)})
    assert peer.heard == []


def test_the_largest_report_fits() -> None:
    peer, segment = begin({"type": "skip", "lease": 7})
    segment.report(-1e-300 / 3, samples=[-1e-300 / 3] * 10_000, metrics={f"{i:0200}": -1e-300 / 3 for i in range(1000)})
    assert len(peer.heard[1]) < 1 << 20


def test_the_middle_of_a_long_error_is_left_out() -> None:
    text = _wire.shorten("begin" + "ä" * 100_000 + "end")
    assert text.startswith("begin") and text.endswith("end") and len(text.encode()) <= 16 << 10
    assert _wire.shorten("short\udcff") == "short?"


def test_the_echo_is_what_hypers_hold_by_then() -> None:
    """PAINS row 1: a checkpoint's old configuration comes back over the one asked for."""
    peer, segment = begin()
    segment.hypers.update({"lr": 0.5, "unknown": 1})
    segment.in_force()
    assert json.loads(peer.heard[0])["hypers"] == {**SEGMENTS[0]["hypers"], "lr": 0.5}


def test_in_force() -> None:
    peer, segment = begin()
    segment.in_force({"optimizer.name": "sgd"}, lr=0.25)
    assert json.loads(peer.heard[0])["hypers"] == {**SEGMENTS[0]["hypers"], "lr": 0.25, "optimizer.name": "sgd"}
    with pytest.raises(RuntimeError, match="too late"):
        segment.in_force(lr=1)
    with pytest.raises(ValueError, match="no hyperparameter Lr"):
        begin()[1].in_force(Lr=1)
    with pytest.raises(TypeError, match="hyperparameter lr"):
        begin()[1].in_force(lr=None)


@pytest.mark.parametrize(
    ("asked", "held", "echoed"),
    [
        (32, 32.0, 32),
        (32, 33, 33.0),
        (10_000_000, 10_000_001, 10_000_001.0),  # whole numbers are exact
        (0.1, 0.10000000149011612, 0.1),  # in single precision
        (0.1, 0.101, 0.101),
        (0.1, math.nan, "NaN"),
        (0, 1e-12, 1e-12),
        (True, 1, True),
        (True, False, False),
        (True, 0, 0.0),
        ("adam", "adam", "adam"),
        ("adam", "sgd", "sgd"),
        (0.5, "0.5", "0.5"),
        (1, True, True),
    ],
)
def test_echoes(asked: Any, held: Any, echoed: Any) -> None:
    echo = _client._echo("x", held, asked)
    if asked == 1 and held is True:  # equal, as Python sees it
        echoed = 1
    assert echo == echoed and type(echo) is type(echoed)


def test_hypers() -> None:
    hypers = begin()[1].hypers
    assert hypers.lr == hypers["lr"] == 0.001
    assert hypers.optimizer.name == "adam" and hypers.optimizer == {"name": "adam"}
    assert dict(**hypers) == hypers
    with pytest.raises(KeyError, match="no hyperparameter momentum; there are: lr, batch.*--pbt.momentum="):
        hypers["momentum"]
    with pytest.raises(AttributeError, match="no hyperparameter momentum"):
        _ = hypers.momentum
    with pytest.raises(AttributeError):
        hypers.lr = 1  # type: ignore[attr-defined]
    assert hypers.get("momentum") is None and "momentum" not in hypers


def test_a_segment_without_a_field_is_named() -> None:
    with pytest.raises(pbt.ProtocolError, match="a segment without 'steps'"):
        begin(message={k: v for k, v in SEGMENTS[0].items() if k != "steps"})


def test_a_segment_is_trained_once_and_reported_once() -> None:
    _, segment = begin({"type": "skip", "lease": 7})
    assert list(segment) == list(range(200))
    with pytest.raises(RuntimeError, match="trained already"):
        list(segment)
    segment.report(1)
    with pytest.raises(RuntimeError, match="reported already"):
        segment.report(1)


def test_chunks_of_steps() -> None:
    _, segment = begin({"type": "skip", "lease": 7})
    assert [next(iter(segment.chunks(70)))] == [(0, 70)]
    _, segment = begin({"type": "skip", "lease": 7})
    assert list(segment.chunks(70)) == [(0, 70), (70, 70), (140, 60)]
    with pytest.raises(RuntimeError, match="trained already"):
        segment.chunks(70)
    segment.report(1)
    _, segment = begin(message={**SEGMENTS[0], "from": 400})
    with pytest.raises(ValueError, match="chunks of 0 steps"):
        segment.chunks(0)
    assert list(segment.chunks(1000)) == [(400, 200)]


def test_a_step_that_stops_early_still_reports() -> None:
    peer, segment = begin({"type": "skip", "lease": 7})
    for step in segment:
        if step == 3:
            break
    segment.report(math.nan)
    sent = json.loads(peer.heard[1])
    assert (sent["score"], sent["steps"]) == ("NaN", 4)


@pytest.mark.parametrize("taken", [0, 3])
def test_a_loop_that_takes_fewer_steps_must_say_so(taken: int) -> None:
    peer, segment = begin({"type": "skip", "lease": 7})
    ticks = iter(segment)
    for _ in range(taken):
        next(ticks)
    with pytest.raises(RuntimeError, match=f"asks for 200 steps, and the loop took {taken}: .*steps="):
        segment.report(1.0)
    assert not any('"report"' in line for line in peer.heard)
    segment.report(1.0, steps=max(taken, 1))
    assert json.loads(peer.heard[-1])["steps"] == max(taken, 1)


def test_steps_that_are_reported() -> None:
    peer, segment = begin({"type": "skip", "lease": 7})
    for wrong, error in (
        (0, ValueError),
        (-1, ValueError),
        (2**41, ValueError),
        (1.5, TypeError),
        (True, TypeError),
        ("3", TypeError),
    ):
        with pytest.raises(error, match="steps is"):
            segment.report(1.0, steps=wrong)  # type: ignore[arg-type]
    segment.report(1.0, steps=250)  # more than asked
    assert json.loads(peer.heard[-1])["steps"] == 250


def test_until() -> None:
    for message in SEGMENTS:
        assert begin(message=message)[1].until == message["from"] + message["steps"]
    old = {name: value for name, value in SEGMENTS[2].items() if name != "until"}
    assert begin(message=old)[1].until == 600
