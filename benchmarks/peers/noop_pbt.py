"""A member that trains nothing: what is left is what the engine costs.

Environment: NOOP_BYTES, the size of its checkpoint; NOOP_LOG, a file that gets a line
"segment nanoseconds" for each segment that arrives with a checkpoint to load.
"""
import os
import random
import time

import pbt

size = int(os.environ.get("NOOP_BYTES", "64"))
log = open(os.environ["NOOP_LOG"], "a", buffering=1) if "NOOP_LOG" in os.environ else None
blob = os.urandom(1 << 20)
x = 0.0


def save(directory: str) -> None:
    with open(os.path.join(directory, "weights"), "wb") as f:
        f.write(b"%-64a" % x)
        left = size - 64
        while left > 0:
            left -= f.write(blob[: min(left, len(blob))])


for segment in pbt.segments(fresh=True):
    if log and segment.load:
        log.write(f"{segment.id} {time.time_ns()}\n")
    if segment.fresh:
        x = 0.0
    elif segment.load:
        with open(os.path.join(segment.load, "weights"), "rb") as f:
            x = float(f.read(64).strip(b" '\""))
            while f.read(1 << 20):
                pass
    x += segment.hypers["lr"] * random.Random(segment.seed).random()
    segment.report(x, save=save)
