"""The GAN's measures against what is known of them, and its trainer: going on from a checkpoint is going on."""

import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import pbt.jax

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # as where the scripts are run

import scoring  # noqa: E402
import train  # noqa: E402


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """Both scoring networks, briefly trained."""
    out = tmp_path_factory.mktemp("networks")
    command = [sys.executable, HERE / "prepare.py", "--out", out, "--images", "8000", "--epochs", "2"]
    subprocess.run(command, check=True)
    return out


def one_hot(classes):
    return np.log(np.maximum(np.eye(10)[classes], 1e-300))


def test_the_score_is_one_to_the_number_of_classes():
    assert scoring.inception_score(np.full((50, 10), np.log(0.1))) == pytest.approx(1)  # never sure
    assert scoring.inception_score(one_hot(np.full(50, 3))) == pytest.approx(1)  # always the same
    assert scoring.inception_score(one_hot(np.arange(50) % 10)) == pytest.approx(10)
    assert scoring.inception_score(one_hot(np.arange(60) % 4)) == pytest.approx(4)


def test_effective_classes():
    assert scoring.effective_classes(one_hot(np.arange(60) % 4)) == pytest.approx(4)
    assert scoring.effective_classes(np.full((50, 10), np.log(0.1))) == pytest.approx(10)


def test_frechet_distance_of_normal_distributions():
    rng = np.random.default_rng(1)
    a = rng.standard_normal((200_000, 3))
    b = rng.standard_normal((200_000, 3)) * [1, 2, 3] + [0, 0, 2]
    # |means|² + Σ (σ − τ)² for diagonal covariances
    assert scoring.frechet_distance(a, b) == pytest.approx(4 + 1 + 4, rel=0.02)
    assert scoring.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    assert scoring.frechet_distance(a @ turn, b @ turn) == pytest.approx(scoring.frechet_distance(a, b))


def test_coverage():
    real = np.random.default_rng(1).standard_normal((2500, 4))
    assert scoring.coverage(real, real) == 1
    assert scoring.coverage(real, real + 100) == 0
    assert scoring.coverage(np.arange(10.0)[:, None], np.array([[4.5]]), neighbours=4) == 0.4  # 3, 4, 5 and 6 are near


def test_a_generator_that_repeats_one_image_of_each_class_deceives_the_score_but_not_the_other_measures(networks):
    report = scoring.Classifier("report", networks)
    real = scoring.read_images("t10k")
    log_p, features = report(real)
    best_of_class = log_p.argmax(axis=0)  # the ten images that the network is surest of
    collapsed = np.repeat(best_of_class, len(real) // 10)
    assert scoring.inception_score(log_p[collapsed]) > scoring.inception_score(log_p) + 1
    assert scoring.coverage(features, features[collapsed]) < 0.05
    half = np.arange(0, len(real), 2), np.arange(1, len(real), 2)
    alike = scoring.frechet_distance(features[half[0]], features[half[1]])
    assert scoring.frechet_distance(features, features[collapsed]) > 50 * alike


def test_real_images_score_high_and_noise_low(networks):
    noise = np.random.default_rng(1).integers(0, 256, (2000, 28, 28), np.uint8)
    for name in scoring.NETS:
        classifier = scoring.Classifier(name, networks)
        assert scoring.inception_score(classifier(scoring.read_images("t10k")[:2000])[0]) > 5
        assert scoring.inception_score(classifier(noise)[0]) < 2


def test_preparing_again_changes_nothing(networks):
    before = {p: p.read_bytes() for p in networks.rglob("*") if p.is_file()}
    subprocess.run([sys.executable, HERE / "prepare.py", "--out", networks], check=True)
    assert {p: p.read_bytes() for p in networks.rglob("*") if p.is_file()} == before
    assert len(before) == 3


def test_training_goes_on_from_a_checkpoint_bit_by_bit(tmp_path):
    images = jax.numpy.asarray(scoring.read_images("train")[:1000].reshape(-1, train.PIXELS))
    key = jax.random.key(5)

    def go_on(state, first, steps, key=key):
        return train.train(state, images, 2e-3, 1e-3, key, first, steps)

    through = go_on(train.init(1), 0, 7)
    pbt.jax.save(tmp_path, go_on(train.init(1), 0, 4))
    resumed = go_on(pbt.jax.load(tmp_path, like=train.init(2)), 4, 3)
    assert_same(through, resumed)
    with pytest.raises(AssertionError):
        assert_same(through, go_on(train.init(1), 0, 7, jax.random.key(6)))


def assert_same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_weights_come_of_their_seed_and_samples_of_theirs():
    assert_same(train.init(3), train.init(3))
    with pytest.raises(AssertionError):
        assert_same(train.init(3), train.init(4))
    g = train.init(3)["g"]
    assert np.array_equal(train.samples(g, 5, seed=1), train.samples(g, 5, seed=1))
    assert not np.array_equal(train.samples(g, 5, seed=1), train.samples(g, 5, seed=2))
