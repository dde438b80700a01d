"""A small convolutional network on Fashion-MNIST in JAX, as a member of a population.

pbt run pbt.yaml                                                # a population: see README.md
python3 train.py --pbt.steps=500 --pbt.learning_rate=1e-3       # one network, without pbt
"""

import functools
import gzip
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import pbt
import pbt.jax

DATA = Path("/usr/share/datasets/fashion-mnist")
TRAIN, VALIDATE = slice(0, 50_000), slice(50_000, 60_000)  # both of the training set: the test set stays unseen
optimizer = optax.inject_hyperparams(optax.adamw)(learning_rate=0.0, weight_decay=0.0)


def read(name, header):
    return np.frombuffer(gzip.decompress((DATA / name).read_bytes()), np.uint8, offset=header)


def layer(rng, *shape):
    return {"w": jnp.float32(rng.normal(0, (2 / np.prod(shape[:-1])) ** 0.5, shape)), "b": jnp.zeros(shape[-1])}


def init(seed):
    rng = np.random.default_rng(seed)
    params = {"conv1": layer(rng, 3, 3, 1, 8), "conv2": layer(rng, 3, 3, 8, 16), "dense": layer(rng, 7 * 7 * 16, 10)}
    return {"params": params, "opt": optimizer.init(params)}


def logits(params, images, dropout=0.0, key=None):
    x = images[..., None] / 255.0 - 0.3
    for conv in (params["conv1"], params["conv2"]):
        x = jax.lax.conv_general_dilated(x, conv["w"], (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x + conv["b"])
    x = x.reshape(len(x), -1)
    if key is not None:
        x = jnp.where(jax.random.bernoulli(key, 1 - dropout, x.shape), x / (1 - dropout), 0)
    return x @ params["dense"]["w"] + params["dense"]["b"]


@functools.partial(jax.jit, donate_argnums=0)
def train_step(state, images, labels, dropout, key):
    def loss(params):
        return optax.softmax_cross_entropy_with_integer_labels(logits(params, images, dropout, key), labels).mean()

    grads = jax.grad(loss)(state["params"])
    updates, opt = optimizer.update(grads, state["opt"], state["params"])
    return {"params": optax.apply_updates(state["params"], updates), "opt": opt}


@jax.jit
def accuracy(params, images, labels):
    return (logits(params, images).argmax(-1) == labels).mean()


images = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
labels = read("train-labels-idx1-ubyte.gz", 8).astype(np.int32)

for segment in pbt.segments(fresh=True, defaults={"learning_rate": 1e-3, "weight_decay": 1e-4, "dropout": 0.2}):
    if not segment.hold:
        state = init(segment.weight_seed)
    if segment.load:
        state = pbt.jax.load(segment.load, like=state)
    state["opt"] = pbt.jax.set_hypers(state["opt"], segment.hypers)
    segment.in_force(pbt.jax.get_hypers(state["opt"], segment.hypers))
    key, rows = jax.random.key(segment.seed), np.random.default_rng(segment.seed)
    for step in segment:
        batch = rows.integers(TRAIN.start, TRAIN.stop, 64)
        state = train_step(state, images[batch], labels[batch], segment.hypers.dropout, jax.random.fold_in(key, step))
    score = accuracy(state["params"], images[VALIDATE], labels[VALIDATE])
    segment.report(score, save=functools.partial(pbt.jax.save, tree=state))
