"""final.py CHECKPOINT: the returns of fresh episodes, played with a checkpoint's weights, as JSON.

One episode in each of EPISODES environments, each to its end, with random numbers that no training has used (KEY is
not a segment's seed). Actions are drawn from the policy, as in training.
"""

import functools
import json
import os
import sys

import jax
import jax.numpy as jnp
import numpy as np
from train import make, play, reset, shapes

import pbt.jax

EPISODES = 64 if os.environ.get("EXPERIMENT_SMOKE") else 1024
KEY = 1_000_000_007
FRAMES = 1000  # of an episode at most: where gymnax cuts it


@functools.partial(jax.jit, static_argnums=0)
def evaluate(env, params, key):
    """Give the first return of each environment, and its length."""

    def frame(carry, key):
        playing, going, total, length = carry
        playing, f = play(env, params, playing, key)
        total = jnp.where(going & f["done"], f["return"], total)
        return (playing, going & ~f["done"], total, length + going), None

    states, obs = reset(env, key, EPISODES)
    zeros = jnp.zeros(EPISODES)
    first = ((states, obs, zeros), jnp.ones(EPISODES, bool), zeros, zeros)
    (_, going, total, length), _ = jax.lax.scan(frame, first, jax.random.split(jax.random.fold_in(key, 1), FRAMES))
    return going, total, length


def main():
    checkpoint, game = sys.argv[1], json.loads(os.environ.get("EXPERIMENT_HYPERS", "{}")).get("game", "asterix")
    env = make(game)
    state = pbt.jax.load(checkpoint, like=shapes(game))
    going, total, length = map(np.asarray, evaluate(env, state["params"], jax.random.key(KEY)))
    if going.any():
        raise SystemExit(f"{going.sum()} of {EPISODES} episodes have not ended after {FRAMES} frames")
    error = total.std(ddof=1) / EPISODES**0.5
    print(
        json.dumps(
            {
                "return": float(total.mean()),
                "standard_error": float(error),
                "frames": float(length.mean()),
                "episodes": EPISODES,
            }
        )
    )


if __name__ == "__main__":
    main()
