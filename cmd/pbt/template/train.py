"""The smallest trainer: gradient descent on a bowl. Replace the model with yours."""

import argparse
import json
import pathlib
import random

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--noise", type=float, required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--load")  # a directory that an earlier --save wrote; none: fresh weights
parser.add_argument("--save", required=True)  # an empty directory
args = parser.parse_args()

random.seed(args.seed)
weights = [random.gauss(0, 1) for _ in range(4)]
if args.load:
    weights = json.loads(pathlib.Path(args.load, "weights.json").read_text())

for _ in range(args.steps):  # step
    weights = [w - args.lr * (0.1 * w + random.gauss(0, args.noise)) for w in weights]

score = -sum(w * w for w in weights)  # eval
pathlib.Path(args.save, "weights.json").write_text(json.dumps(weights))  # save
print(json.dumps({"score": score}))  # report
