"""A generative adversarial network on Fashion-MNIST, as a member of a population.

pbt run pbt.yaml                                                                     # a population: see README.md
python3 train.py --pbt.steps=2000 --pbt.generator_rate=1e-3 --pbt.discriminator_rate=1e-3     # one network, without pbt
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scoring

import pbt
import pbt.jax

LATENT, PIXELS = 64, 28 * 28
HIDDEN = (128, 128)  # widths of the hidden layers, of both networks
BATCH = 64
DISCRIMINATOR_STEPS = 1  # for one of the generator
SAMPLES = 2000  # that are scored
CHUNK = 50  # steps that run as one compiled loop: a third faster than a call for each
LATENT_SEED = 20171109  # of the latents that are scored: the same for everybody, so that nobody is lucky

adam = optax.scale_by_adam(b1=0.5)  # without a learning rate, which comes with each segment


def layer(rng, inputs, outputs):
    return {"w": jnp.float32(rng.normal(0, (2 / inputs) ** 0.5, (inputs, outputs))), "b": jnp.zeros(outputs)}


def init(seed):
    """Fresh networks, and the state of their optimisers."""
    rng = np.random.default_rng(seed)
    g = [layer(rng, *shape) for shape in itertools.pairwise((LATENT, *HIDDEN, PIXELS))]
    d = [layer(rng, *shape) for shape in itertools.pairwise((PIXELS, *HIDDEN, 1))]
    return {"g": g, "d": d, "g_opt": adam.init(g), "d_opt": adam.init(d)}


def mlp(layers, x):
    *hidden, last = layers
    for layer in hidden:
        x = jax.nn.leaky_relu(x @ layer["w"] + layer["b"], 0.2)
    return x @ last["w"] + last["b"]


def generate(g, latents):
    """Images in [-1, 1], [n, 784]."""
    return jnp.tanh(mlp(g, latents))


def descend(gradient, opt, params, rate):
    """One step of Adam."""
    update, opt = adam.update(gradient, opt)
    return jax.tree.map(lambda p, u: p - rate * u, params, update), opt


def discriminator_loss(d, real, fake):
    return (jax.nn.softplus(-mlp(d, real)) + jax.nn.softplus(mlp(d, fake))).mean()


def generator_loss(g, d, latents):
    return jax.nn.softplus(-mlp(d, generate(g, latents))).mean()  # the non-saturating loss


def train_step(state, images, generator_rate, discriminator_rate, key):
    """Some steps of the discriminator, one of the generator."""
    g, d, g_opt, d_opt = state["g"], state["d"], state["g_opt"], state["d_opt"]
    pick, *draw = jax.random.split(key, DISCRIMINATOR_STEPS + 2)
    real = images[jax.random.randint(pick, (DISCRIMINATOR_STEPS, BATCH), 0, len(images))] / 127.5 - 1
    for i in range(DISCRIMINATOR_STEPS):
        fake = generate(g, jax.random.normal(draw[i], (BATCH, LATENT)))
        d, d_opt = descend(jax.grad(discriminator_loss)(d, real[i], fake), d_opt, d, discriminator_rate)
    gradient = jax.grad(generator_loss)(g, d, jax.random.normal(draw[-1], (BATCH, LATENT)))
    g, g_opt = descend(gradient, g_opt, g, generator_rate)
    return {"g": g, "d": d, "g_opt": g_opt, "d_opt": d_opt}


@functools.partial(jax.jit, donate_argnums=0)
def train(state, images, generator_rate, discriminator_rate, key, first, steps):
    """So many training steps from the first on, each with a key of its own."""

    def body(step, state):
        return train_step(state, images, generator_rate, discriminator_rate, jax.random.fold_in(key, step))

    return jax.lax.fori_loop(first, first + steps, body, state)


def samples(g, n, seed):
    """Images as a file would hold them: uint8, [n, 28, 28]."""
    latents = np.random.default_rng(seed).standard_normal((n, LATENT), np.float32)
    return np.asarray(jnp.round((generate(g, latents) + 1) * 127.5)).astype(np.uint8).reshape(n, 28, 28)


def main():
    classifier = scoring.Classifier("select")
    images = jnp.asarray(scoring.read_images("train").reshape(-1, PIXELS))
    for segment in pbt.segments(fresh=True, defaults={"generator_rate": 1e-3, "discriminator_rate": 1e-3}):
        if not segment.hold:
            state = init(segment.weight_seed)
        if segment.load:
            state = pbt.jax.load(segment.load, like=state)
        rates = segment.hypers.generator_rate, segment.hypers.discriminator_rate
        key = jax.random.key(segment.seed)  # not in the checkpoint: clones would stay twins
        for first, steps in segment.chunks(CHUNK):
            state = jax.block_until_ready(train(state, images, *rates, key, first, steps))
        log_p, _ = classifier(samples(state["g"], SAMPLES, LATENT_SEED))
        segment.report(scoring.inception_score(log_p), save=functools.partial(pbt.jax.save, tree=state))


if __name__ == "__main__":
    main()
