"""A2C on MinAtar games in JAX, as a member of a population: environments and updates run in one jitted scan.

make experiment-rl                                                   # all of it: see README.md
pbt run pbt.yaml                                                     # one population
python3 train.py --pbt.steps=80 --pbt.lr=1e-3 --pbt.game=breakout    # one agent, without pbt

A step is FRAMES frames: a frame is one action in one of ENVS environments. The score is the mean return of the
episodes that end in the second half of the segment, as the agent plays them while it learns.
"""

import functools

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import optax

import pbt
import pbt.jax

ENVS = 64
FRAMES = 16_384  # a step; divisible by ENVS times each unroll length
SAMPLES = 10  # last returns, for the t-test
WIDTHS = (64, 64)
VALUE_COST, CLIP = 0.5, 0.5
GAMES = {
    "asterix": "Asterix-MinAtar",
    "breakout": "Breakout-MinAtar",
    "invaders": "SpaceInvaders-MinAtar",
    "freeway": "Freeway-MinAtar",
}
DEFAULTS = {"game": "asterix", "lr": 1e-3, "entropy": 0.01, "discount": 0.99, "gae": 0.9, "unroll": 16}

optimizer = optax.chain(optax.clip_by_global_norm(CLIP), optax.scale_by_adam(eps=1e-5))


def layer(rng, n_in, n_out, gain=2**0.5):
    return {"w": jnp.float32(rng.normal(0, gain / n_in**0.5, (n_in, n_out))), "b": jnp.zeros(n_out)}


def init_params(rng, n_in, actions):
    sizes = (n_in, *WIDTHS)
    torso = [layer(rng, a, b) for a, b in zip(sizes, sizes[1:], strict=False)]
    return {"torso": torso, "policy": layer(rng, WIDTHS[-1], actions, 0.01), "value": layer(rng, WIDTHS[-1], 1, 1.0)}


def network(params, obs):
    """Give logits and value of observations of shape (..., height, width, channels)."""
    x = obs.reshape(*obs.shape[:-3], -1).astype(jnp.float32)
    for dense in params["torso"]:
        x = jax.nn.relu(x @ dense["w"] + dense["b"])
    return x @ params["policy"]["w"] + params["policy"]["b"], (x @ params["value"]["w"] + params["value"]["b"])[..., 0]


def reset(env, key, n):
    obs, states = jax.vmap(env.reset)(jax.random.split(key, n))
    return states, obs


def play(env, params, carry, key):
    """Play one frame in each environment. carry: environments, observations, returns so far."""
    states, obs, returns = carry
    logits, value = network(params, obs)
    keys = jax.random.split(key, len(returns) + 1)
    action = jax.random.categorical(keys[0], logits)
    after, states, reward, over, cut, _ = jax.vmap(env.step)(keys[1:], states, action)
    done, returns = over | cut, returns + reward
    frame = {"obs": obs, "action": action, "reward": reward, "done": done, "value": value, "return": returns}
    return (states, after, jnp.where(done, 0.0, returns)), frame


def advantages(frames, last_value, discount, gae):
    """Generalised advantage estimation (Schulman et al. 2016), over frames of shape (unroll, ENVS)."""

    def back(carry, f):
        advantage, next_value = carry
        live = 1.0 - f["done"]
        delta = f["reward"] + discount * live * next_value - f["value"]
        advantage = delta + discount * gae * live * advantage
        return (advantage, f["value"]), advantage

    return jax.lax.scan(back, (jnp.zeros_like(last_value), last_value), frames, reverse=True)[1]


def loss(params, frames, advantage, entropy_cost):
    logits, value = network(params, frames["obs"])
    log_p = jax.nn.log_softmax(logits)
    chosen = jnp.take_along_axis(log_p, frames["action"][..., None], -1)[..., 0]
    entropy = -(jnp.exp(log_p) * log_p).sum(-1).mean()
    value_loss = 0.5 * jnp.square(value - advantage - frames["value"]).mean()
    return -(chosen * advantage).mean() + VALUE_COST * value_loss - entropy_cost * entropy


@functools.partial(jax.jit, static_argnames=("env", "unroll"), donate_argnums=1)
def train_step(env, state, key, lr, entropy, discount, gae, unroll):
    """Train FRAMES frames; also give which frames ended an episode, and the returns by then: (frames / ENVS, ENVS)."""

    def update(state, key):
        carry, frames = jax.lax.scan(
            functools.partial(play, env, state["params"]), state["play"], jax.random.split(key, unroll)
        )
        advantage = advantages(frames, network(state["params"], carry[1])[1], discount, gae)
        grads = jax.grad(loss)(state["params"], frames, advantage, entropy)
        updates, opt = optimizer.update(grads, state["opt"])
        params = jax.tree.map(lambda p, u: p - lr * u, state["params"], updates)
        return {"params": params, "opt": opt, "play": carry}, (frames["done"], frames["return"])

    keys = jax.random.split(key, FRAMES // (ENVS * unroll))
    state, ended = jax.lax.scan(update, state, keys)
    return state, jax.tree.map(lambda x: x.reshape(-1, ENVS), ended)


def init(env, seed):
    rng = np.random.default_rng(seed)
    states, obs = reset(env, jax.random.key(rng.integers(2**31)), ENVS)
    params = init_params(rng, int(np.prod(obs.shape[1:])), env.num_actions)
    return {"params": params, "opt": optimizer.init(params), "play": (states, obs, jnp.zeros(ENVS))}


def main():
    for segment in pbt.segments(fresh=True, defaults=DEFAULTS):
        h = segment.hypers
        env = make(h.game)
        if segment.fresh:
            state = init(env, segment.weight_seed)
        elif segment.load:
            state = pbt.jax.load(segment.load, like=shapes(h.game))
        key, ended = jax.random.key(segment.seed), []
        for step in segment:
            state, (done, returns) = train_step(
                env, state, jax.random.fold_in(key, step), h.lr, h.entropy, h.discount, h.gae, unroll=int(h.unroll)
            )
            ended.append(np.asarray(returns)[np.asarray(done)])  # in the order in which they ended
        late = np.concatenate(ended[len(ended) // 2 :])
        segment.report(
            late.mean() if len(late) else np.nan,
            save=functools.partial(pbt.jax.save, tree=state),
            samples=late[-SAMPLES:],
            metrics={"episodes": len(late)},
        )


@functools.cache
def shapes(game):
    """What a state looks like, for loading one."""
    return init(make(game), 0)


@functools.cache
def make(game):
    return gymnax.make(GAMES[game])[0]


if __name__ == "__main__":
    main()
