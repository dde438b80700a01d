"""Draw what the best member of each run drew as it learned: a row for a moment, a column for a latent, a block for a run.

python3 samples.py RUN... --out FILE.png        # runs of pbt, finished, with `keep: {lineage: true}`
"""

import argparse
import json
import os
import subprocess
from pathlib import Path

import final
import numpy as np
import train

PBT = os.environ.get("PBT_BINARY", Path(__file__).resolve().parents[2] / "bin/pbt")
MOMENTS = (0.025, 0.1, 0.25, 0.5, 1.0)  # of the way to the best record; more happens at first
COLUMNS = 8
GAP = 10  # white pixels between two blocks
ZOOM = 2  # pixels of the picture for one of an image, along either side


def ancestry(run):
    """The best record's ancestry, oldest first, of a run's lineage."""
    by_id = {s["id"]: s for s in run["segments"]}
    found, at = [], run["best"]
    while at:
        found.append(by_id[at])
        at = by_id[at]["parent"]
    return found[::-1]


def moments(path):
    """Those of an ancestry that are nearest to MOMENTS."""
    last = path[-1]["step"]
    return [min(path, key=lambda s: abs(s["step"] - m * last)) for m in MOMENTS]


def block(directory):
    """One run's picture, uint8 [height, width], and what its rows are."""
    tree = subprocess.run([PBT, "lineage", directory, "--json"], check=True, capture_output=True, text=True).stdout
    rows = moments(ancestry(json.loads(tree)))
    images = []
    for row in rows:
        checkpoint = Path(directory) / "checkpoints" / row["checkpoint"]
        if not checkpoint.exists():
            raise SystemExit(f"{checkpoint} is gone: the run needs `keep: {{lineage: true}}`")
        images.append(train.samples(final.load(checkpoint), COLUMNS, final.FRESH_LATENTS))
    facts = [{"step": r["step"], "score": r["score"], **r["hypers"]} for r in rows]
    return final.tile(np.concatenate(images), COLUMNS), facts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    picture, pad = None, None
    for run in args.runs:
        drawn, facts = block(run)
        print(json.dumps({"run": os.path.normpath(run), "rows": facts}))
        pad = np.full((len(drawn), GAP), 255, np.uint8)
        picture = drawn if picture is None else np.hstack([picture, pad, drawn])
    final.write_png(args.out, picture.repeat(ZOOM, 0).repeat(ZOOM, 1))


if __name__ == "__main__":
    main()
