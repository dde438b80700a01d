"""pbt.numpy and pbt.jax with the real libraries. They need numpy, jax and optax."""

from __future__ import annotations

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_messages import begin

import pbt.jax
import pbt.numpy
from pbt import _wire


def test_numpy(tmp_path: pathlib.Path) -> None:
    state = {"w": np.arange(6.0).reshape(2, 3), "half": np.float16([1, 2]), "epoch": 3, "lr": 0.1, "done": True, "a/b": "text"}
    pbt.numpy.save(tmp_path, state, none_yet=np.zeros((0, 2)), file="a name that savez would trip over")
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"]
    read = pbt.numpy.load(tmp_path)
    assert list(read) == [*state, "none_yet", "file"]
    for name, value in state.items():
        assert np.array_equal(read[name], value) and type(read[name]) is type(value)
    assert read["half"].dtype == np.float16 and read["none_yet"].shape == (0, 2)


@pytest.mark.parametrize("value", [None, object(), {"a": 1}, jnp.zeros(2, jnp.bfloat16)], ids=repr)
def test_numpy_refuses_what_it_could_not_read_again(tmp_path: pathlib.Path, value: Any) -> None:
    with pytest.raises(TypeError, match="x is"):
        pbt.numpy.save(tmp_path, x=value)
    assert list(tmp_path.iterdir()) == []


def tree() -> dict[str, Any]:
    params = {"dense": {"w": jnp.ones((2, 3)), "b": jnp.zeros(3, jnp.bfloat16)}, "small": jnp.ones(2, jnp.float8_e4m3fn)}
    optimizer = optax.inject_hyperparams(optax.adam)(learning_rate=0.1)
    return {"params": params, "opt": optimizer.init(params["dense"]), "step": 7, "rate": 0.5, "on": True, "host": np.arange(3)}


def test_jax(tmp_path: pathlib.Path) -> None:
    state = jax.tree_util.tree_map(lambda x: x + 1 if isinstance(x, jax.Array) and x.dtype.itemsize > 1 else x, tree())
    pbt.jax.save(tmp_path, state)
    read = pbt.jax.load(tmp_path, like=tree())
    assert jax.tree_util.tree_structure(read) == jax.tree_util.tree_structure(state)
    for a, b in zip(jax.tree_util.tree_leaves(read), jax.tree_util.tree_leaves(state)):
        assert type(a) is type(b) and np.array_equal(np.asarray(a, float), np.asarray(b, float))
        assert not hasattr(a, "dtype") or a.dtype == b.dtype
    shapes = jax.eval_shape(lambda: {"w": jnp.ones((2, 3))})
    pbt.jax.save(tmp_path, {"w": jnp.ones((2, 3))})
    assert isinstance(pbt.jax.load(tmp_path, like=shapes)["w"], jax.Array)


@pytest.mark.parametrize("bound", [False, True], ids=["anywhere", "to a device"])
def test_jax_does_not_compile_again_after_loading(tmp_path: pathlib.Path, bound: bool) -> None:
    optimizer = optax.inject_hyperparams(optax.adam)(learning_rate=0.1)

    def step(state: Any) -> Any:
        updates, opt = optimizer.update(state["w"], state["opt"])
        return {"w": optax.apply_updates(state["w"], updates), "opt": opt}

    train_step = jax.jit(step)

    def fresh() -> Any:
        state = {"w": jnp.ones(3), "opt": optimizer.init(jnp.ones(3))}
        return jax.device_put(state, jax.devices()[0]) if bound else state

    state = train_step(train_step(pbt.jax.set_hypers(fresh(), {"learning_rate": 0.2})))
    compiled = train_step._cache_size()
    pbt.jax.save(tmp_path, state)
    for like in (state, fresh()):
        read = pbt.jax.load(tmp_path, like=like)
        assert [a.committed for a in jax.tree_util.tree_leaves(read)] == [a.committed for a in jax.tree_util.tree_leaves(like)]
        train_step(train_step(pbt.jax.set_hypers(read, {"learning_rate": 0.3})))
    assert train_step._cache_size() == compiled


@pytest.mark.parametrize(
    ("like", "error"),
    [
        ({"a": jnp.ones(2), "c": jnp.ones(2)}, r"has \['b'\] where \['c'\] is wanted"),
        ({"a": jnp.ones(2)}, r"has 2 leaves, and 1 are wanted; the first other is \['b'\]"),
        ({"a": jnp.ones(2), "b": 1, "c": 2}, r"has 2 leaves, and 3 are wanted; the first other is \['c'\]"),
        ({"a": jnp.ones(3), "b": jnp.ones(2)}, r"\['a'\] is float32\[2\] in the checkpoint; want float32\[3\]"),
        ({"a": jnp.ones(2, int), "b": jnp.ones(2)}, r"\['a'\] is float32\[2\] in the checkpoint; want int32\[2\]"),
    ],
)
def test_jax_checks_the_structure(tmp_path: pathlib.Path, like: Any, error: str) -> None:
    pbt.jax.save(tmp_path, {"a": jnp.ones(2), "b": jnp.ones(2)})
    with pytest.raises(ValueError, match=error):
        pbt.jax.load(tmp_path, like=like)


def test_jax_refuses_random_keys_and_objects(tmp_path: pathlib.Path) -> None:
    with pytest.raises(TypeError, match=r"\['key'\] is a random key"):
        pbt.jax.save(tmp_path, {"key": jax.random.key(0)})
    with pytest.raises(TypeError, match=r"\['name'\] is a str"):
        pbt.jax.save(tmp_path, {"name": "adam"})


def test_a_donors_rate_does_not_come_back_in_optax(tmp_path: pathlib.Path) -> None:
    """PAINS row 1."""
    params = jnp.ones(2)
    make = optax.inject_hyperparams(optax.sgd)
    chain = optax.chain(optax.clip(1.0), make(learning_rate=0.5, momentum=0.9))
    pbt.jax.save(tmp_path, chain.init(params))
    peer, segment = begin(message={**GOLDEN_LOAD, "hypers": {"learning_rate": 1e-5, "optimizer.momentum": 0.3, "other": 1}})
    state = pbt.jax.load(tmp_path, like=chain.init(params))
    assert pbt.jax.get_hypers(state, segment.hypers)["learning_rate"] == 0.5
    state = pbt.jax.set_hypers(state, segment.hypers)
    segment.in_force(pbt.jax.get_hypers(state, segment.hypers))
    assert _wire.decode(peer.heard[0].encode())["hypers"] == {"learning_rate": 1e-5, "optimizer.momentum": 0.3, "other": 1}
    updates, _ = chain.update(jnp.ones(2), state, params)
    assert float(updates[0]) == pytest.approx(-1e-5)


GOLDEN_LOAD = {
    "type": "segment", "lease": 8, "segment": 9, "member": 2, "start": "load", "load": "/", "from": 200, "steps": 200,
    "hypers": {}, "seed": 1, "weight_seed": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    "score", [np.float64(0.5), np.float32(0.5), np.array(0.5), np.int64(2), jnp.float32(0.5), jnp.bfloat16(0.5)], ids=type
)
def test_scalars_are_numbers(score: Any) -> None:
    assert _wire.number(score, "the score") == float(score)


@pytest.mark.parametrize(
    "score", [np.array([0.5]), np.zeros(3), jnp.zeros(1), np.True_, np.bool_(False), np.complex64(1)], ids=repr
)
def test_arrays_and_truth_values_are_not(score: Any) -> None:
    with pytest.raises(TypeError, match="the score is"):
        _wire.number(score, "the score")


@pytest.mark.parametrize("samples", [np.arange(3), jnp.arange(3.0), [np.float32(0), 1, 2.0], (x for x in range(3))], ids=type)
def test_samples(samples: Any) -> None:
    assert _wire.sample_list(samples) == [0, 1, 2]


def test_samples_have_one_dimension() -> None:
    with pytest.raises(TypeError, match=r"sample 0 is \[0.0, 0.0\], a list"):
        _wire.sample_list(np.zeros((2, 2)))


def test_jax_refuses_a_value_that_a_schedule_would_replace() -> None:
    rate = optax.cosine_decay_schedule(0.1, 10)
    state = optax.inject_hyperparams(optax.adamw)(learning_rate=rate, weight_decay=0.1).init(jnp.ones(2))
    assert pbt.jax.set_hypers(state, {"weight_decay": 0.5}).hyperparams["weight_decay"] == 0.5
    for name in ("learning_rate", "optimizer.learning_rate"):
        with pytest.raises(ValueError, match="cannot set learning_rate: a schedule in optax.inject_hyperparams computes it"):
            pbt.jax.set_hypers(state, {name: 0.2})


def test_jax_keeps_a_schedule_that_is_a_factor() -> None:
    """The way that the message names, beside a run that was not interrupted."""
    factor = optax.cosine_decay_schedule(1.0, 10)

    def updates(first: float, then: float) -> Any:
        optimizer = optax.chain(optax.scale_by_schedule(factor), optax.inject_hyperparams(optax.sgd)(learning_rate=first))
        state, given = optimizer.init(jnp.ones(1)), []
        for step in range(8):
            if step == 4:
                state = pbt.jax.set_hypers(state, {"learning_rate": then})
            update, state = optimizer.update(jnp.ones(1), state)
            given.append(float(update[0]))
        return given

    assert updates(0.1, 0.1) == updates(0.1, 0.1) and updates(0.1, 0.2)[4:] == updates(0.2, 0.2)[4:]
