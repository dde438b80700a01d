"""Where the time of a run's slots went, from the times in its records."""

from __future__ import annotations

from collections.abc import Sequence

from .records import Record, Row, when
from .stats import significant

PARTS = ("start", "load", "train", "eval", "save", "publish")


def split(record: Record) -> dict[str, float]:
    """Give the seconds of all slots together by part, and the shares of engine and use.

    engine: what is left of the time between a slot's lease and its outcome when the trainer's own parts are
    taken away, and the time between an outcome and the slot's next lease for which there was something to lease.
    wait: a slot's other time: there was nothing to do, for the others were at work or the barrier shut.
    lost: what an interrupted segment had trained, and failed attempts.
    """
    slots = int(record.facts["experiment"]["trainer"]["slots"])
    rows = [r for r in record.finished if r["worker"]]
    seconds = {part: sum(float(r[f"{part}_s"] or 0) for r in rows) for part in PARTS}
    wall = sum(end - begin for begin, end in record.facts["sittings"])
    inside = sum(float(r["seconds"]) for r in rows)
    gaps = engine_gaps(rows, record.facts["sittings"])
    seconds["engine"] = inside - sum(seconds[p] for p in PARTS) + gaps
    seconds["wait_or_lost"] = max(0.0, slots * wall - inside - gaps)
    all_of_it = slots * wall
    found = {k: significant(v) for k, v in seconds.items()}
    found["wall"] = significant(wall)
    found["engine_share"] = significant(seconds["engine"] / all_of_it)
    found["use"] = significant(1 - (seconds["engine"] + seconds["wait_or_lost"]) / all_of_it)
    found["train_share"] = significant(seconds["train"] / all_of_it)
    return found


def engine_gaps(rows: Sequence[Row], sittings: Sequence[Sequence[float]]) -> float:
    """Add up the time between an outcome and the same slot's next lease, from when that segment was decided on.

    Both in the same sitting: else the time between is nobody's.
    """
    total = 0.0
    for worker in sorted({r["worker"] for r in rows}):
        spans = sorted(
            (when(r["leased_at"]), when(r["finished_at"]), when(r["decided_at"]))
            for r in rows
            if r["worker"] == worker and r["tries"] == "1"
        )
        for (_, finished, _), (leased, _, decided) in zip(spans, spans[1:], strict=False):
            if any(begin <= finished and leased <= end for begin, end in sittings):
                total += max(0.0, leased - max(finished, decided))
    return total
