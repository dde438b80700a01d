"""The digits' network in NumPy, on machines of uneven speed: to compare barriers with none.

The network, its data and its checkpoints are those of examples/digits/trainer.go, so that the same program measures
them. After each segment it waits for WAIT_S times an exponentially distributed number, drawn from the segment's seed:
what a machine that others use, or an environment with episodes of very different lengths, does to a segment.
"""

import os
import time
from pathlib import Path

import numpy as np

import pbt

PIXELS, HIDDEN, CLASSES, BATCH = 64, 64, 10, 32
SPLIT = PIXELS * HIDDEN
WAIT_S = 0.01 if os.environ.get("EXPERIMENT_SMOKE") else 0.5
DATA = Path(os.environ["EXPERIMENT_DATA"]) / "analysis" / "data"


def read(name):
    table = np.loadtxt(DATA / f"{name}.csv", delimiter=",", dtype=np.float32)
    return table[:, :PIXELS], table[:, PIXELS].astype(int)


def forward(weights, x, mask=1.0):
    h = np.maximum(0, x @ weights[:SPLIT].reshape(PIXELS, HIDDEN)) * mask
    logits = h @ weights[SPLIT:].reshape(HIDDEN, CLASSES)
    p = np.exp(logits - logits.max(1, keepdims=True))
    return h, p / p.sum(1, keepdims=True)


def gradient(weights, x, labels, dropout, rng):
    mask = (rng.random((len(x), HIDDEN)) >= dropout) / (1 - dropout)
    h, p = forward(weights, x, mask)
    p[np.arange(len(x)), labels] -= 1
    dh = p @ weights[SPLIT:].reshape(HIDDEN, CLASSES).T * mask * (h > 0)
    return np.concatenate([(x.T @ dh).ravel(), (h.T @ p).ravel()]) / len(x)


def loss(weights, x, labels):
    return -np.log(np.maximum(forward(weights, x)[1][np.arange(len(x)), labels], 1e-12)).mean()


def main():
    (x, labels), validation = read("train"), read("validation")
    for segment in pbt.segments(fresh=True):
        h, rng = segment.hypers, np.random.default_rng(segment.seed)
        if segment.fresh:
            weights = np.random.default_rng(segment.weight_seed).normal(0, (2 / HIDDEN) ** 0.5, SPLIT + HIDDEN * CLASSES)
            velocity = np.zeros_like(weights)
        elif segment.load:
            both = np.fromfile(Path(segment.load) / "digits.bin", "<f4", offset=16).astype(float)
            weights, velocity = np.split(both, 2)
        for _ in segment:
            rows = rng.integers(0, len(x), BATCH)
            noisy = x[rows] + h.noise * rng.normal(size=(BATCH, PIXELS))
            velocity = h.momentum * velocity + gradient(weights, noisy, labels[rows], h.dropout, rng) + h.weight_decay * weights
            weights = weights - h.lr * velocity
        time.sleep(WAIT_S * rng.exponential())

        def save(directory, steps=segment.from_step + segment.steps, weights=weights, velocity=velocity):
            file = b"pbtdigit" + np.int64(steps).tobytes() + np.concatenate([weights, velocity]).astype("<f4").tobytes()
            (Path(directory) / "digits.bin").write_bytes(file)

        segment.report(loss(weights, *validation), save=save)


if __name__ == "__main__":
    main()
