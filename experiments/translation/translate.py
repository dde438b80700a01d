"""Translate English sentences into German with the network in a checkpoint.

pbt best runs/translation-1 --copy best
python3 translate.py best "Click OK to close the dialog." "A simple game for children"
python3 translate.py best < sentences.txt
"""

import argparse
import sys

import numpy as np
import train

options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
options.add_argument("checkpoint", help="a checkpoint's directory, as `pbt best RUN --copy DIR` makes one")
options.add_argument("sentence", nargs="*", help="(default: the lines of the standard input)")
chosen = options.parse_args()

params, pieces = train.load(chosen.checkpoint)
sentences = chosen.sentence or [line.strip() for line in sys.stdin if line.strip()]
LONGEST = train.BUCKETS[-1]
tokens = np.full((len(sentences), LONGEST), train.PAD, np.int32)
for i, sentence in enumerate(sentences):
    row = [*pieces.encode(sentence), train.END]
    if len(row) > LONGEST:
        sys.exit(f"{sentence!r} has {len(row) - 1} tokens; this network knows up to {LONGEST - 1}. Split the sentence")
    tokens[i, : len(row)] = row
print("\n".join(train.translations(params, pieces, tokens)))
