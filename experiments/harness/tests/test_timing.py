from __future__ import annotations

import pytest

from harness import timing
from harness.records import Record


def row(segment: int, worker: str, decided: str, leased: str, finished: str, **parts: str) -> dict[str, str]:
    def at(second: str) -> str:
        return f"2026-01-01T00:00:{float(second):012.9f}Z"

    seconds = str(float(finished) - float(leased))
    times = {"decided_at": at(decided), "leased_at": at(leased), "finished_at": at(finished), "seconds": seconds}
    return {
        **{f"{p}_s": "" for p in timing.PARTS},
        **times,
        "worker": worker,
        "tries": "1",
        "state": "finished",
        "segment": str(segment),
    } | parts


def test_each_second_of_each_slot_is_somebodys() -> None:
    start = 1767225600.0  # 2026-01-01
    record = Record(
        [
            row(1, "slot-1", "0", "1", "5", train_s="3", save_s="0.5"),  # 1 before the first lease; 0.5 the engine's
            row(3, "slot-1", "5", "6", "9", train_s="3"),  # 1 between, with work to hand out: the engine's
            row(2, "slot-2", "0", "0", "4", train_s="4"),
            row(4, "slot-2", "8", "8.25", "10", train_s="1.75"),  # 4 of waiting, 0.25 the engine's
        ],
        {"experiment": {"trainer": {"slots": 2}}, "sittings": [[start, start + 10]]},
    )
    found = timing.split(record)
    assert found["train"] == 11.75 and found["save"] == 0.5
    assert found["engine"] == pytest.approx(0.5 + 1 + 0.25)
    assert found["wait_or_lost"] == pytest.approx(1 + 1 + 4)  # slot 1 has nothing to do at the end either
    assert sum(found[p] for p in (*timing.PARTS, "engine", "wait_or_lost")) == pytest.approx(2 * 10)
    assert found["use"] == pytest.approx(1 - 7.75 / 20)
