"""Train the two networks that score generators, on Fashion-MNIST. Does nothing if they are there already.

python3 prepare.py [--out DIR] [--images 60000] [--epochs 3]        # half a minute on an idle core
"""

import argparse
import functools
import json
import os
import time
from pathlib import Path

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")  # one thread, as in a slot

import jax
import numpy as np
import optax
import scoring

import pbt.jax

BATCH, PEAK_RATE, DROPOUT = 128, 3e-3, 0.3
SMOKE_IMAGES = 2560  # to train on, and to measure with


def train(net, images, labels, epochs):
    """Adam with a cosine-decayed rate and dropout before the logits."""
    steps = epochs * len(images) // BATCH
    params = scoring.init_net(net)
    optimizer = optax.adam(optax.cosine_decay_schedule(PEAK_RATE, steps))
    state = optimizer.init(params)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state, images, labels, key):
        def loss(params):
            logits, _ = scoring.forward(net, params, images, DROPOUT, key)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        updates, state = optimizer.update(jax.grad(loss)(params), state)
        return optax.apply_updates(params, updates), state

    rng, key = np.random.default_rng(net["seed"]), jax.random.key(net["seed"])
    order = np.concatenate([rng.permutation(len(images)) for _ in range(epochs)])
    for i, batch in enumerate(order[: steps * BATCH].reshape(steps, BATCH)):
        params, state = step(params, state, images[batch], labels[batch], jax.random.fold_in(key, i))
    return params


def facts(name, out):
    """Test accuracy of a network, and its score of real images and of noise."""
    images, labels = scoring.read_images("t10k"), scoring.read_labels("t10k")
    if scoring.SMOKE:
        images, labels = images[:SMOKE_IMAGES], labels[:SMOKE_IMAGES]
    classifier = scoring.Classifier(name, out)
    real, _ = classifier(images)
    noise, _ = classifier(np.random.default_rng(0).integers(0, 256, images.shape, np.uint8))
    return {
        "accuracy": float((real.argmax(axis=1) == labels).mean()),
        "score of real images": scoring.inception_score(real),
        "score of noise": scoring.inception_score(noise),
    }


def main():
    """Train what is missing, and write facts.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=scoring.DATA)
    parser.add_argument("--images", type=int, default=SMOKE_IMAGES if scoring.SMOKE else 60_000)
    parser.add_argument("--epochs", type=int, default=1 if scoring.SMOKE else 3)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    images, labels = scoring.read_images("train"), scoring.read_labels("train").astype(np.int32)
    for name, net in scoring.NETS.items():
        if (args.out / name).exists():
            continue
        began = time.monotonic()
        params = train(net, images[: args.images], labels[: args.images], args.epochs)
        partial = args.out / f"{name}.partial-{os.getpid()}"
        partial.mkdir()
        pbt.jax.save(partial, params)
        partial.rename(args.out / name)  # whole or not at all
        print(f"{name}: trained in {time.monotonic() - began:.0f} s")
    path = args.out / "facts.json"
    if not path.exists():
        path.write_text(json.dumps({name: facts(name, args.out) for name in scoring.NETS}, indent=2) + "\n")
    print(path.read_text(), end="")


if __name__ == "__main__":
    main()
