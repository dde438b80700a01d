"""Two spirals, told apart by a small network in plain Python: a real trainer for the dashboard's tests.

It learns, copies, diverges (a large lr ends in NaN) and, where CRASH says so, dies like real programs do. TEXT is what
it prints, names a metric and says when it dies: the tests give it what a page must never take for markup.

pbt run accuracy.yaml          # maximised; all kinds of hyperparameters
pbt run loss.yaml              # minimised; logarithmic ones
"""

import json
import math
import os
import random
import sys
import time
from pathlib import Path

import pbt

CRASH = float(os.environ.get("CRASH", "0"))  # how likely an attempt dies half-way
PAUSE = float(os.environ.get("PAUSE", "0"))  # seconds that a segment takes longer: so that a page can be looked at
TEXT = os.environ.get("TEXT", "spirals")  # what it says beside numbers


def spirals(n, seed, noise):
    draw = random.Random(seed)
    points = []
    for i in range(n):
        t = 0.6 + 9.4 * draw.random()
        side = i % 2
        a = t + math.pi * side
        points.append((t / 5 * math.cos(a) + draw.gauss(0, noise), t / 5 * math.sin(a) + draw.gauss(0, noise), float(side)))
    return points


TRAIN, VALID = spirals(300, 1, 0.1), spirals(200, 2, 0.1)


class Net:
    """x, y → tanh units → the odds of the second spiral."""

    def __init__(self, width, seed):
        draw = random.Random(seed)
        self.w = [[draw.gauss(0, 2) for _ in range(3)] for _ in range(width)]
        self.v = [draw.gauss(0, 0.5) for _ in range(width + 1)]
        self.moments = [[0.0] * (4 * width + 1) for _ in range(2)]
        self.t = 0

    def odds(self, x, y):
        inputs = (x, y, 1.0)
        hidden = [math.tanh(sum(a * b for a, b in zip(w, inputs))) for w in self.w]
        return inputs, hidden, sum(a * b for a, b in zip(self.v, hidden)) + self.v[-1]

    def gradient(self, batch, l2):
        width = len(self.w)
        g = [0.0] * (4 * width + 1)
        for x, y, side in batch:
            inputs, hidden, z = self.odds(x, y)
            d = 1 / (1 + math.exp(-max(-60.0, min(60.0, z)))) - side
            for k, h in enumerate(hidden):
                g[3 * width + k] += d * h
                back = d * self.v[k] * (1 - h * h)
                for i, a in enumerate(inputs):
                    g[3 * k + i] += back * a
            g[-1] += d
        flat = self.flat()
        return [a / len(batch) + l2 * b for a, b in zip(g, flat)]

    def flat(self):
        return [a for w in self.w for a in w] + self.v

    def put(self, flat):
        width = len(self.w)
        self.w = [flat[3 * k : 3 * k + 3] for k in range(width)]
        self.v = flat[3 * width :]

    def step(self, batch, h):
        g = self.gradient(batch, h.get("l2", 0.0))
        if h.get("clip"):
            norm = math.sqrt(sum(a * a for a in g)) or 1.0
            g = [a * min(1.0, 1 / norm) for a in g]
        self.t += 1
        m, s = self.moments
        momentum = h.get("optimizer.momentum", 0.0)
        flat = self.flat()
        adam = h.get("optimizer.name") == "adam"
        for i, a in enumerate(g):
            if adam:
                m[i] += 0.1 * (a - m[i])
                s[i] += 0.01 * (a * a - s[i])
                a = 0.1 * (m[i] / (1 - 0.9**self.t)) / (math.sqrt(s[i] / (1 - 0.99**self.t)) + 1e-8)
            else:
                m[i] = momentum * m[i] + a
                a = m[i]
            flat[i] -= h["lr"] * a
        self.put(flat)

    def evaluate(self):
        loss = right = 0.0
        for x, y, side in VALID:
            z = self.odds(x, y)[2]
            if not math.isfinite(z) or abs(z) > 1e6:
                return math.nan, math.nan
            loss += math.log1p(math.exp(-abs(z))) + max(0.0, -z if side else z)
            right += (z > 0) == (side > 0.5)
        return loss / len(VALID), right / len(VALID)

    def save(self, directory):
        Path(directory, "net.json").write_text(json.dumps([self.w, self.v, self.moments, self.t]))

    def load(self, directory):
        self.w, self.v, self.moments, self.t = json.loads(Path(directory, "net.json").read_text())


metric = sys.argv[1]
for segment in pbt.segments(fresh=True):
    h = dict(segment.hypers)
    if not segment.hold:
        net = Net(h.get("width", 10), segment.weight_seed)
    if segment.load:
        net.load(segment.load)
    draw = random.Random(segment.seed)
    dies = draw.random() < CRASH / 4 or random.random() < CRASH  # each time it is tried, or this time
    print(f"{TEXT}: segment of {segment.steps} steps, \x1b[31mlr {h['lr']:.4g}\x1b[0m", flush=True)
    noise = h.get("noise", 0.0)
    for i, step in enumerate(segment):
        if dies and i > segment.steps // 2:
            raise RuntimeError(f"out of luck at step {i}: {TEXT}")
        batch = [(x + draw.gauss(0, noise), y + draw.gauss(0, noise), s) for x, y, s in draw.choices(TRAIN, k=h.get("batch", 16))]
        net.step(batch, h)
        if i % 10 == 0:
            segment.progress(i)
    time.sleep(PAUSE)
    loss, accuracy = net.evaluate()
    scores = {"loss": loss, "accuracy": accuracy}
    segment.report(scores[metric], save=net.save, metrics={**scores, **({TEXT: loss} if "TEXT" in os.environ else {})})
