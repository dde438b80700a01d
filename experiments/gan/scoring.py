"""What measures a generator: two small classifiers of Fashion-MNIST, and what is computed from them.

`select` scores members while a run goes on; `report`, of another shape and seed, is for the end: no decision sees it.
"""

import functools
import gzip
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import pbt.jax

IMAGES = Path("/usr/share/datasets/fashion-mnist")  # Debian's dataset-fashion-mnist
SMOKE = bool(os.environ.get("EXPERIMENT_SMOKE"))  # networks of their own, trained on a few images
BUILD = Path(os.environ.get("EXPERIMENT_DATA", Path(__file__).resolve().parents[2] / "build/experiments"))
DATA = BUILD / "gan" / ("data-smoke" if SMOKE else "data")  # where prepare.py puts the networks
CLASSES = 10
CHUNK = 1000  # images that go through a classifier at once

# Convolutions as (width of the kernel, stride, channels), then a dense layer of so many features, then the logits.
NETS = {
    "select": {"seed": 1, "convs": [(3, 2, 16), (3, 2, 32)], "features": 64},
    "report": {"seed": 2, "convs": [(5, 2, 12), (3, 1, 16), (3, 2, 24)], "features": 96},
}


def read_images(part):
    """All images of "train" or "t10k": uint8, [n, 28, 28]."""
    return _read(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)


def read_labels(part):
    """Their classes, 0 to 9: uint8, [n]."""
    return _read(f"{part}-labels-idx1-ubyte.gz", 8)


def _read(name, header):
    if not (IMAGES / name).exists():
        raise SystemExit(f"there is no {IMAGES / name}: apt-get install dataset-fashion-mnist")
    return np.frombuffer(gzip.decompress((IMAGES / name).read_bytes()), np.uint8, offset=header)


def init_net(net):
    """Fresh weights of one of NETS."""
    rng = np.random.default_rng(net["seed"])

    def layer(*shape):
        return {"w": jnp.float32(rng.normal(0, (2 / np.prod(shape[:-1])) ** 0.5, shape)), "b": jnp.zeros(shape[-1])}

    convs, side, channels = [], 28, 1
    for width, stride, out in net["convs"]:
        convs.append(layer(width, width, channels, out))
        side, channels = -(-side // stride), out
    return {"convs": convs, "dense": layer(side * side * channels, net["features"]), "out": layer(net["features"], CLASSES)}


def forward(net, params, images, dropout=0.0, key=None):
    """Logits [n, 10] and features [n, net["features"]] of images in [0, 255], [n, 28, 28]."""
    x = images[..., None] / 127.5 - 1
    for conv, (_, stride, _) in zip(params["convs"], net["convs"], strict=True):
        x = jax.lax.conv_general_dilated(x, conv["w"], (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x + conv["b"])
    features = jax.nn.relu(x.reshape(len(x), -1) @ params["dense"]["w"] + params["dense"]["b"])
    kept = features
    if key is not None:
        kept = jnp.where(jax.random.bernoulli(key, 1 - dropout, features.shape), features / (1 - dropout), 0)
    return kept @ params["out"]["w"] + params["out"]["b"], features


class Classifier:
    """One of the two networks, as prepare.py has trained it."""

    def __init__(self, name, data=DATA):
        net = NETS[name]
        if not (Path(data) / name).exists():
            raise SystemExit(f"there is no scoring network in {data}: run experiments/gan/prepare.py first")
        self.params = pbt.jax.load(Path(data) / name, like=init_net(net))
        self._forward = jax.jit(functools.partial(forward, net))

    def __call__(self, images):
        """Log-probabilities [n, 10] and features of images, as NumPy arrays in double precision."""
        logits, features = [], []
        for at in range(0, len(images), CHUNK):
            chunk = images[at : at + CHUNK]
            whole = np.pad(chunk, ((0, CHUNK - len(chunk)), (0, 0), (0, 0)))  # one shape: compiled once
            out = self._forward(self.params, whole)
            logits.append(np.asarray(out[0], np.float64)[: len(chunk)])
            features.append(np.asarray(out[1], np.float64)[: len(chunk)])
        return log_softmax(np.concatenate(logits)), np.concatenate(features)


def log_softmax(logits):
    """log p(class | image) from logits [n, 10]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def inception_score(log_p):
    """exp(mean KL(p(y|x) ‖ p(y))), Salimans et al. 2016, of log p(y|x) [n, classes]: between 1 and the number of classes."""
    p = np.exp(log_p)
    with np.errstate(divide="ignore"):
        log_marginal = np.log(p.mean(axis=0))
    terms = np.where(p > 0, p * (log_p - log_marginal), 0)
    return float(np.exp(terms.sum(axis=1).mean()))


def frechet_distance(a, b):
    """Squared Fréchet distance between the normal distributions fitted to features a and b, [n, d] (Heusel et al. 2017)."""
    mean = a.mean(axis=0) - b.mean(axis=0)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T  # symmetric: tr (AB)^½ = tr (A^½ B A^½)^½
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ cov_b @ root), 0, None)).sum()
    return float(mean @ mean + np.trace(cov_a) + np.trace(cov_b) - 2 * cross)


def effective_classes(log_p):
    """exp(entropy of p(y)), of log p(y|x) [n, classes]: how many classes there are, weighed by how often."""
    marginal = np.exp(log_p).mean(axis=0)
    return float(np.exp(-np.sum(marginal * np.log(np.maximum(marginal, np.finfo(float).tiny)))))


def coverage(real, fake, neighbours=5):
    """Share of the real features [n, d] with a fake one no further away than their own 5th real neighbour.

    From Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models". It falls when a
    generator repeats a few good images of each class, which the score above does not see.
    """
    hit = []
    for at in range(0, len(real), CHUNK):
        chunk = real[at : at + CHUNK]
        radius = np.partition(_squared_distances(chunk, real), neighbours, axis=1)[:, neighbours]  # 0 is itself
        hit.append(_squared_distances(chunk, fake).min(axis=1) <= radius)
    return float(np.concatenate(hit).mean())


def _squared_distances(a, b):
    return np.maximum((a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T, 0)
