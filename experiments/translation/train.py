"""A small Transformer that learns to translate English into German, as a member of a population.

python3 prepare.py                                        # the data, once
pbt run pbt.yaml                                          # a population: see README.md
python3 train.py --pbt.steps=1500 --pbt.lr=2e-3           # one network, without pbt

Vaswani et al. 2017 (arXiv:1706.03762) with the layers' norms first (Xiong et al. 2020, arXiv:2002.04745), so that it trains
without a warm-up: 2 + 2 layers, width 128, one table of embeddings for both languages and for the output. Adam. What is
explored is what Jaderberg et al. 2017 explored (section 4.2): the learning rate, and the three dropout rates; and label
smoothing. The score is the BLEU of greedy translations of the dev sentences.
"""

import functools
import math
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import sacrebleu
import sentencepiece

import pbt
import pbt.jax

BUILD = Path(os.environ.get("EXPERIMENT_DATA") or Path(__file__).resolve().parents[2] / "build" / "experiments")
SMOKE = bool(os.environ.get("EXPERIMENT_SMOKE"))  # little data, and one shape to compile
DATA = BUILD / "translation" / ("sample" if SMOKE else "data")

LAYERS, WIDTH, HEADS, INNER = 2, 128, 4, 256  # of the encoder, and of the decoder
BATCH = 32  # sentence pairs
BUCKETS = (24,) if SMOKE else (12, 16, 24)  # tokens, to which a batch is padded; the last is what prepare.py lets through
CHUNK, FEW = 256, 64  # sentences that are decoded at once, most and fewest
PAD, START, END = 0, 2, 3  # as prepare.py has sentencepiece number them
DEFAULTS = {"lr": 2e-3, "dropout": 0.1, "attention_dropout": 0.0, "relu_dropout": 0.0, "label_smoothing": 0.1}
BETAS = {"b1": 0.9, "b2": 0.98, "eps": 1e-9}  # Vaswani et al.'s

optimizer = optax.inject_hyperparams(optax.adam, static_args=("b1", "b2", "eps"))(learning_rate=0.0, **BETAS)


# --- the network ----------------------------------------------------------------


def init(seed, vocabulary):
    """Draw fresh weights, and Adam's empty moments."""
    rng = np.random.default_rng(seed)

    def matrix(*shape):
        return jnp.float32(rng.normal(0, shape[0] ** -0.5, shape))

    def norm():
        return {"scale": jnp.ones(WIDTH), "bias": jnp.zeros(WIDTH)}

    def attention():
        return {name: matrix(WIDTH, WIDTH) for name in ("query", "key", "value", "out")} | {"norm": norm()}

    def layer(*attentions):
        feed = {
            "in": matrix(WIDTH, INNER),
            "in_bias": jnp.zeros(INNER),
            "out": matrix(INNER, WIDTH),
            "out_bias": jnp.zeros(WIDTH),
        }
        return {name: attention() for name in attentions} | {"feed": feed | {"norm": norm()}}

    params = {
        "embedding": jnp.float32(rng.normal(0, WIDTH**-0.5, (vocabulary, WIDTH))),
        "encoder": [layer("self") for _ in range(LAYERS)],
        "decoder": [layer("self", "cross") for _ in range(LAYERS)],
        "encoder_norm": norm(),
        "decoder_norm": norm(),
    }
    return {"params": params, "opt": optimizer.init(params)}


class Dropper:
    """Drops values while training: a key for each place that asks, and nothing at all without a key.

    Eight random bits decide about a value, not 32, since drawing them takes its time on a processor. So the rates in use
    are multiples of 1/256, and what is kept is scaled by these.
    """

    def __init__(self, key=None, rates=None):
        self.key, self.rates, self.asked = key, rates, 0

    def __call__(self, name, x):
        if self.key is None:
            return x
        self.asked += 1
        words = jax.random.bits(jax.random.fold_in(self.key, self.asked), (math.prod(x.shape) // 4,), jnp.uint32)
        kept = 256 - jnp.round(256 * self.rates[name])
        drawn = jax.lax.bitcast_convert_type(words, jnp.uint8).reshape(x.shape)
        return jnp.where(drawn < kept, x * (256 / kept), 0)


def normalize(p, x):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-6) * p["scale"] + p["bias"]


def heads(x):
    """[sentences, tokens, width] as [sentences, heads, tokens, width of a head]."""
    return x.reshape(*x.shape[:2], HEADS, -1).swapaxes(1, 2)


def attend(p, x, keys, values, mask, drop):
    """Attend from x to keys and values (heads apart) where the mask, [sentences, 1, tokens or 1, keys], says so."""
    weights = heads(x @ p["query"]) @ keys.swapaxes(2, 3) * (WIDTH // HEADS) ** -0.5
    weights = drop("attention_dropout", jax.nn.softmax(jnp.where(mask, weights, -1e9)))
    mixed = (weights @ values).swapaxes(1, 2)
    return drop("dropout", mixed.reshape(x.shape) @ p["out"])


def feed(p, x, drop):
    inner = drop("relu_dropout", jax.nn.relu(normalize(p["norm"], x) @ p["in"] + p["in_bias"]))
    return drop("dropout", inner @ p["out"] + p["out_bias"])


def embed(params, tokens, positions):
    """Embeddings, and sines of the positions."""
    angles = positions[:, None] / 10_000 ** (np.arange(0, WIDTH, 2) / WIDTH)
    return params["embedding"][tokens] * WIDTH**0.5 + jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], -1)


def encode(params, source, drop):
    """Give the encoder's output for [sentences, tokens], and the mask of what is no padding."""
    mask = (source != PAD)[:, None, None, :]
    x = drop("dropout", embed(params, source, np.arange(source.shape[1])))
    for layer in params["encoder"]:
        p, y = layer["self"], normalize(layer["self"]["norm"], x)
        x = x + attend(p, y, heads(y @ p["key"]), heads(y @ p["value"]), mask, drop)
        x = x + feed(layer["feed"], x, drop)
    return normalize(params["encoder_norm"], x), mask


def decode(params, tokens, memory, memory_mask, drop):
    """Give the decoder's output for [sentences, tokens]: of each, what to tell the next one from."""
    length = tokens.shape[1]
    causal = np.tril(np.ones((length, length), bool))[None, None]
    x = drop("dropout", embed(params, tokens, np.arange(length)))
    for layer in params["decoder"]:
        p, y = layer["self"], normalize(layer["self"]["norm"], x)
        x = x + attend(p, y, heads(y @ p["key"]), heads(y @ p["value"]), causal, drop)
        p, y = layer["cross"], normalize(layer["cross"]["norm"], x)
        x = x + attend(p, y, heads(memory @ p["key"]), heads(memory @ p["value"]), memory_mask, drop)
        x = x + feed(layer["feed"], x, drop)
    return normalize(params["decoder_norm"], x)


# --- training -------------------------------------------------------------------


def cross_entropy(params, source, target, hypers, drop):
    """Give the mean loss per target token, padding left out, with smoothed labels (Szegedy et al. 2015)."""
    memory, mask = encode(params, source, drop)
    before = jnp.pad(target[:, :-1], ((0, 0), (1, 0)), constant_values=START)
    x, embedding = decode(params, before, memory, mask, drop), params["embedding"]
    right, mean = (x * embedding[target]).sum(-1), x @ embedding.mean(0)  # logits: of the token, of all tokens
    smoothing = hypers["label_smoothing"]
    loss = jax.nn.logsumexp(x @ embedding.T, -1) - (1 - smoothing) * right - smoothing * mean
    real = target != PAD
    return jnp.where(real, loss, 0).sum() / real.sum()


@functools.partial(jax.jit, donate_argnums=0)
def train_step(state, source, target, hypers, seed, step):
    key = jax.random.fold_in(jax.random.key(seed), step)
    loss = functools.partial(cross_entropy, source=source, target=target, hypers=hypers, drop=Dropper(key, hypers))
    value, grads = jax.value_and_grad(loss)(state["params"])
    updates, opt = optimizer.update(grads, state["opt"], state["params"])
    return {"params": optax.apply_updates(state["params"], updates), "opt": opt}, value


class Corpus:
    """Sentence pairs as token numbers, [pairs, 24], sorted into buckets by length."""

    def __init__(self, path):
        with np.load(path) as arrays:
            self.source, self.target = (arrays[side].astype(np.int32) for side in ("en", "de"))
            self.help = arrays["help"]  # from the help texts; else from the package descriptions
        longer = np.maximum((self.source != PAD).sum(1), (self.target != PAD).sum(1))
        bucket = np.searchsorted(BUCKETS, longer)
        self.rows = [np.flatnonzero(bucket == b) for b in range(len(BUCKETS))]

    def batch(self, rng):
        """Draw pairs of one bucket, which each pair has the same chance to be in."""
        sizes = np.array([len(rows) for rows in self.rows])
        b = rng.choice(len(BUCKETS), p=sizes / sizes.sum())
        rows = rng.choice(self.rows[b], BATCH)
        return self.source[rows, : BUCKETS[b]], self.target[rows, : BUCKETS[b]]


# --- translating ------------------------------------------------------------------


@jax.jit
def translate(params, source):
    """Translate [sentences, tokens] greedily: the likeliest token each time, until all have ended."""
    drop, (count, length) = Dropper(), source.shape
    memory, memory_mask = encode(params, source, drop)
    crossed = [tuple(heads(memory @ layer["cross"][name]) for name in ("key", "value")) for layer in params["decoder"]]
    empty = jnp.zeros((count, HEADS, length, WIDTH // HEADS))

    def step(carry):
        i, done, token, output, cache = carry
        mask = (jnp.arange(length) <= i)[None, None, None]
        x, new = embed(params, token[:, None], i[None]), []
        for layer, kept, cross in zip(params["decoder"], cache, crossed, strict=True):
            p, y = layer["self"], normalize(layer["self"]["norm"], x)
            kept = [
                jax.lax.dynamic_update_slice(old, heads(y @ p[name]), (0, 0, i, 0))
                for old, name in zip(kept, ("key", "value"), strict=True)
            ]
            x = x + attend(p, y, *kept, mask, drop)
            x = x + attend(layer["cross"], normalize(layer["cross"]["norm"], x), *cross, memory_mask, drop)
            x = x + feed(layer["feed"], x, drop)
            new.append(kept)
        logits = normalize(params["decoder_norm"], x[:, 0]) @ params["embedding"].T
        token = jnp.where(done, PAD, logits.argmax(-1).astype(jnp.int32))
        return i + 1, done | (token == END), token, output.at[:, i].set(token), new

    def going(carry):
        return (carry[0] < length) & ~carry[1].all()

    begin = (jnp.int32(0), jnp.zeros(count, bool), jnp.full(count, START), jnp.zeros_like(source), [[empty, empty]] * LAYERS)
    return jax.lax.while_loop(going, step, begin)[3]


def texts(pieces, tokens):
    """Give the texts of [sentences, tokens]: each up to its end."""
    return pieces.decode([[int(t) for t in row if t not in (PAD, END)] for row in np.asarray(tokens)])


def translations(params, pieces, source):
    """Translate all rows, CHUNK at a time, or fewer where there are few."""
    found, size = [], CHUNK if len(source) > FEW else FEW
    for i in range(0, len(source), size):
        rows = source[i : i + size]
        padded = np.pad(rows, ((0, size - len(rows)), (0, 0)), constant_values=PAD)
        padded[len(rows) :, 0] = END  # not all padding: there must be something to attend to
        found += texts(pieces, translate(params, padded)[: len(rows)])
    return found


def references(path):
    return [line.split("\t")[2] for line in path.read_text(encoding="utf-8").splitlines()]


def load(checkpoint):
    """Give the weights in a checkpoint's directory, and the pieces its tokens stand for."""
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(DATA / "spm.model"))
    return pbt.jax.load(checkpoint, like=init(0, pieces.get_piece_size()))["params"], pieces


def main():
    if not (DATA / "counts.json").exists():
        raise SystemExit(f"no data in {DATA}: run {Path(__file__).with_name('prepare.py')} first")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(DATA / "spm.model"))
    train, dev, wanted = Corpus(DATA / "train.npz"), Corpus(DATA / "dev.npz"), references(DATA / "dev.tsv")

    for segment in pbt.segments(fresh=True, defaults=DEFAULTS):
        if not segment.hold:
            state = init(segment.weight_seed, pieces.get_piece_size())
        if segment.load:
            state = pbt.jax.load(segment.load, like=state)
        state["opt"] = pbt.jax.set_hypers(state["opt"], {"learning_rate": segment.hypers.lr})
        segment.in_force(lr=state["opt"].hyperparams["learning_rate"])
        rng, losses = np.random.default_rng(segment.seed), []
        seed = np.uint32(segment.seed % 2**32)
        hypers = {name: np.float32(segment.hypers[name]) for name in DEFAULTS}
        for step in segment:
            state, loss = train_step(state, *train.batch(rng), hypers, seed, step)
            losses.append(float(loss))  # waits: else JAX runs steps ahead, and a stop is noticed late
            segment.progress(loss=losses[-1])
        output = translations(state["params"], pieces, dev.source)
        bleu = sacrebleu.corpus_bleu(output, [wanted]).score
        metrics = {"loss": np.mean(losses)}
        segment.report(bleu, save=functools.partial(pbt.jax.save, tree=state), metrics=metrics)


if __name__ == "__main__":
    main()
