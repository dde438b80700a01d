"""The translator: its masks, its loss, its decoding, its checkpoints; and the data: aligned, cleaned, split without leaks."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pbt.jax

HERE = Path(__file__).parent


def module(name):
    """Load a script of this folder under a name of its own: other experiments have a train.py too."""
    spec = importlib.util.spec_from_file_location(f"translation_{name}", HERE / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


prepare, train = module("prepare"), module("train")
RNG = np.random.default_rng(1)
VOCABULARY = 40
PARAMS = train.init(1, VOCABULARY)["params"]
HYPERS = {name: np.float32(x) for name, x in train.DEFAULTS.items()} | {"attention_dropout": np.float32(0.1)}


def sentences(count, longest):
    """Draw [count, longest] tokens: sentences of 1 to `longest` with their end, then padding."""
    tokens = RNG.integers(4, VOCABULARY, (count, longest))
    lengths = RNG.integers(1, longest + 1, count)
    tokens[np.arange(count), lengths - 1] = train.END
    return np.where(np.arange(longest) < lengths[:, None], tokens, train.PAD).astype(np.int32)


def wider(tokens, by):
    return np.pad(tokens, ((0, 0), (0, by)), constant_values=train.PAD)


@jax.jit
def logits(source, before):
    params = PARAMS
    x = train.decode(params, before, *train.encode(params, source, train.Dropper()), train.Dropper())
    return x @ params["embedding"].T


@jax.jit
def loss(source, target):
    return train.cross_entropy(PARAMS, source, target, HYPERS, train.Dropper())


def test_padding_changes_nothing():
    source, target = sentences(5, 7), sentences(5, 6)
    np.testing.assert_allclose(loss(wider(source, 5), wider(target, 4)), loss(source, target), rtol=1e-5)
    np.testing.assert_allclose(logits(wider(source, 5), target), logits(source, target), atol=1e-4)


def test_no_token_sees_what_comes_after_it():
    source, before = sentences(5, 7), RNG.integers(4, VOCABULARY, (5, 6)).astype(np.int32)
    other = before.copy()
    other[:, 4:] = 5
    np.testing.assert_allclose(logits(source, other)[:, :4], logits(source, before)[:, :4], atol=1e-5)
    assert np.abs(logits(source, other)[:, 4:] - logits(source, before)[:, 4:]).max() > 0.01


def test_loss_is_cross_entropy_with_smoothed_labels():
    source, target = sentences(5, 7), sentences(5, 6)
    before = np.pad(target[:, :-1], ((0, 0), (1, 0)), constant_values=train.START)
    labels = optax.smooth_labels(jax.nn.one_hot(target, VOCABULARY), 0.1)
    each = optax.softmax_cross_entropy(logits(source, before), labels)
    want = each[target != train.PAD].mean()
    np.testing.assert_allclose(loss(source, target), want, rtol=1e-5)


def test_greedy_translation_is_the_likeliest_token_each_time():
    source = sentences(5, 7)
    found = np.asarray(train.translate(PARAMS, source))
    assert (found[:, 0] != train.PAD).all()
    before = np.pad(found[:, :-1], ((0, 0), (1, 0)), constant_values=train.START)
    likeliest = np.asarray(logits(source, before).argmax(-1))
    np.testing.assert_array_equal(np.where(found == train.PAD, train.PAD, likeliest), found)
    for row in found:
        ends = np.flatnonzero(row == train.END)
        assert len(ends) <= 1 and (len(ends) == 0 or (row[ends[0] + 1 :] == train.PAD).all())


def test_dropout_keeps_the_mean_and_differs_by_place():
    drop = train.Dropper(jax.random.key(1), {"dropout": np.float32(0.3)})
    first, second = (np.asarray(drop("dropout", jnp.ones((200, 200)))) for _ in range(2))
    assert abs(first.mean() - 1) < 0.02 and abs((first == 0).mean() - 0.3) < 0.02 and (first != second).any()
    none = train.Dropper(jax.random.key(1), {"dropout": np.float32(0)})("dropout", jnp.ones((20, 20)))
    np.testing.assert_array_equal(none, 1)


def steps(state, first, count):
    for step in range(first, first + count):
        rng = np.random.default_rng(step)
        tokens = [np.where(rng.random((8, 6)) < 0.5, 5, 6).astype(np.int32) for _ in range(2)]
        state, loss = train.train_step(state, *tokens, HYPERS, np.uint32(7), step)
    return state, float(loss)


def test_training_goes_on_from_a_checkpoint_to_the_last_bit(tmp_path):
    def begin():
        state = train.init(1, VOCABULARY)
        state["opt"] = pbt.jax.set_hypers(state["opt"], {"learning_rate": 3e-3})
        return state

    _, early = steps(begin(), 0, 1)
    through, late = steps(begin(), 0, 8)
    assert late < early
    half, _ = steps(begin(), 0, 4)
    pbt.jax.save(tmp_path, half)
    loaded = pbt.jax.load(tmp_path, like=train.init(2, VOCABULARY))
    again, _ = steps(loaded, 4, 4)
    jax.tree.map(np.testing.assert_array_equal, again, through)


# --- the data -------------------------------------------------------------------


def test_page():
    page = prepare.Paragraphs()
    page.feed(
        '<html><body><p id="par_id1" class="paragraph"><a name="x"></a>Press <span class="s"><span hidden="true"'
        ' class="MAC">Command</span><span hidden="true">Ctrl</span></span>+F2 &amp; wait<br>a while.</p>'
        '<div><h1 id="hd_id2">Head</h1></div><p id="other">no</p><p id="par_id1">again<img src="x"></p></body></html>'
    )
    assert page.found == {"par_id1": ["Press Ctrl+F2 & wait a while.", "again"], "hd_id2": ["Head"]}


def test_description():
    record = " First line\n goes on.\n .\n Second:\n  * point one\n    goes on\n  - point two\n"
    assert prepare.paragraphs("short", record) == ["short", "First line goes on.", "Second:", "point one goes on", "point two"]


@pytest.mark.parametrize(
    ("english", "german", "why"),
    [
        ("a simple game for children", "ein einfaches Spiel für Kinder", None),
        ("a game", "ein Spiel", "not 3 to 25 words"),
        ("one two three four five six seven", "eins zwei drei", "length ratio above 2"),
        ("see http://x.org for a list", "eine Liste steht woanders", "markup"),
        ("version 123456 of 2020-2021", "die Version 123456 von 2020", "fewer than 90 % letters"),
        ("GNU Compiler Collection", "GNU compiler collection", "not translated"),
    ],
)
def test_clean(english, german, why):
    assert prepare.clean(english, german) == why


def test_near_duplicates_in_either_language():
    others = [("x", "Choose Insert Fields Date to insert the date", "Wählen Sie Einfügen, dann Datum")]
    pairs = [
        ("a", "Choose Insert Fields Time to insert the time", "ganz anderes Deutsch hier"),
        ("b", "quite another English text", "Wählen Sie Einfügen, danach Datum"),
        ("c", "quite another English text", "ganz anderes Deutsch hier"),
        ("d", "CHOOSE: insert fields date, to insert the date.", "ganz anderes Deutsch hier"),
    ]
    similar = len(prepare.shingles(pairs[0][1]) & prepare.shingles(others[0][1])) / len(
        prepare.shingles(pairs[0][1]) | prepare.shingles(others[0][1])
    )
    assert prepare.near(pairs, others).tolist() == [similar >= prepare.NEAR, True, False, True]


def test_sample_is_split_by_file_without_near_duplicates():
    parts = {name: prepare.read(prepare.SAMPLE / f"{name}.tsv") for name in ("train", "dev", "test")}
    for name, pairs in parts.items():
        assert {prepare.part(pair[0]) for pair in pairs} == {name}
    for poor, good in (("train", "test"), ("train", "dev"), ("dev", "test")):
        assert not prepare.near(parts[poor], parts[good]).any()


def test_encoded_sample_says_what_the_text_says(tmp_path):
    parts = {name: prepare.read(prepare.SAMPLE / f"{name}.tsv") for name in ("train", "dev", "test")}
    target = tmp_path / "sample"
    prepare.write(target, parts, prepare.VOCABULARY["sample"], prepare.counters(), {})
    prepare.verify(target)
    assert prepare.current(target)
    facts = json.loads((target / "counts.json").read_text())
    assert [facts["counts"]["used"][name] for name in parts] == [len(pairs) for pairs in parts.values()]
    pieces = prepare.sentencepiece.SentencePieceProcessor(model_file=str(target / "spm.model"))
    test = train.Corpus(target / "test.npz")
    wanted = train.references(target / "test.tsv")
    assert train.texts(pieces, test.target)[:20] == [" ".join(text.split()) for text in wanted[:20]]
    (target / "test.tsv").write_text("")
    with pytest.raises(SystemExit, match="test.tsv is not what prepare.py made"):
        prepare.verify(target)


def test_batches_come_from_all_buckets_as_often_as_their_pairs(tmp_path):
    lengths = [5] * 30 + [14] * 10 + [24] * 60
    rows = np.array([[7] * (n - 1) + [train.END] + [train.PAD] * (24 - n) for n in lengths], np.int16)
    np.savez(tmp_path / "c.npz", en=rows, de=rows, help=np.ones(len(rows), bool))
    corpus = train.Corpus(tmp_path / "c.npz")
    assert [len(r) for r in corpus.rows] == [30, 10, 60]
    rng = np.random.default_rng(1)
    widths = [corpus.batch(rng)[0].shape for _ in range(400)]
    assert {shape[0] for shape in widths} == {train.BATCH}
    shares = [np.mean([shape[1] == w for shape in widths]) for w in train.BUCKETS]
    np.testing.assert_allclose(shares, [0.3, 0.1, 0.6], atol=0.07)


def test_a_person_can_translate(tmp_path):
    client = str(HERE.parents[1] / "python" / "src")
    environment = {**os.environ, "PYTHONPATH": client, "EXPERIMENT_DATA": str(tmp_path), "EXPERIMENT_SMOKE": "1"}

    def script(name, *arguments, **more):
        command = [sys.executable, HERE / f"{name}.py", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **more)

    assert "prepare.py first" in script("train").stderr
    assert script("prepare").returncode == 0
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    pbt.jax.save(checkpoint, train.init(1, prepare.VOCABULARY["sample"]))
    said = script("translate", checkpoint, input="Number of records\n\nSelect a font.\n")
    assert said.returncode == 0 and len(said.stdout.splitlines()) == 2
    refused = script("translate", checkpoint, "number of records " * 20)
    assert refused.returncode == 1 and "knows up to 23. Split the sentence" in refused.stderr
