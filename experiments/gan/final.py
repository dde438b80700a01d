"""Measure a generator by what no decision has seen: the reporting network, fresh latents, the test images.

python3 final.py CHECKPOINT [--grid FILE.png] [--samples 10000]
"""

import argparse
import json
from pathlib import Path

import scoring
import train

import pbt.jax

FRESH_LATENTS = 1  # their seed; scoring while a run goes on uses train.LATENT_SEED
GRID = 10  # images a side


def load(checkpoint):
    """The generator's weights in a checkpoint."""
    return pbt.jax.load(checkpoint, like=train.init(0))["g"]


def measure(images, real):
    """What generated images, uint8 [n, 28, 28], are worth beside the real ones.

    score: the result. frechet and coverage see what the score cannot: a few good images of each class, repeated.
    selecting_score: the same images under the network that selected, to see whether it has been deceived.
    """
    report = scoring.Classifier("report")
    log_p, features = report(images)
    _, real_features = report(real)
    return {
        "score": scoring.inception_score(log_p),
        "frechet": scoring.frechet_distance(real_features, features),
        "coverage": scoring.coverage(real_features, features),
        "classes": scoring.effective_classes(log_p),
        "selecting_score": scoring.inception_score(scoring.Classifier("select")(images)[0]),
    }


def tile(images, columns):
    """One picture, uint8 [height, width], of images [n, 28, 28] in rows."""
    rows = images.reshape(-1, columns, *images.shape[1:])
    return rows.transpose(0, 2, 1, 3).reshape(rows.shape[0] * images.shape[1], -1)


def write_png(path, picture):
    """Write a grey picture."""
    import matplotlib.image  # slow to import, and seldom wanted

    matplotlib.image.imsave(path, picture, cmap="gray", vmin=0, vmax=255, metadata={"Software": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--grid", type=Path, help="write the first samples as a PNG")
    parser.add_argument("--samples", type=int, default=1000 if scoring.SMOKE else 10_000)
    args = parser.parse_args()
    images = train.samples(load(args.checkpoint), args.samples, FRESH_LATENTS)
    if args.grid:
        write_png(args.grid, tile(images[: GRID * GRID], GRID))
    real = scoring.read_images("t10k")
    print(json.dumps(measure(images, real[: args.samples] if scoring.SMOKE else real)))


if __name__ == "__main__":
    main()
