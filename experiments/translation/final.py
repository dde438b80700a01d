"""Measure a checkpoint on the test sentences, which no decision has seen: BLEU, its interval, sacrebleu's signature, as JSON.

python3 final.py runs/translation-1/checkpoints/123
"""

import argparse
import json

import numpy as np
import sacrebleu
import train

RESAMPLINGS = 1000  # of the test sentences, for the interval (Koehn 2004)


def measure(checkpoint):
    params, pieces = train.load(checkpoint)
    test, wanted = train.Corpus(train.DATA / "test.npz"), train.references(train.DATA / "test.tsv")
    output = train.translations(params, pieces, test.source)
    bleu = sacrebleu.BLEU()
    score = bleu.corpus_score(output, [wanted], n_bootstrap=RESAMPLINGS)
    signature = str(bleu.get_signature())  # with the resamplings, and their seed
    whole = json.loads(score.format(width=3, signature=signature, is_json=True))
    return {
        "test_bleu": whole["score"],
        "test_bleu_mean": whole.get("confidence_mean", 0.0),  # of the resamplings; left out where they are all 0
        "test_bleu_half_width": whole.get("confidence_var", 0.0),  # of their 95 % interval
        "test_chrf": rounded(sacrebleu.corpus_chrf(output, [wanted])),
        "test_bleu_help": part(output, wanted, test.help),
        "test_bleu_packages": part(output, wanted, ~test.help),
        "sentences": len(output),
        "signature": signature,
    }


def rounded(found):
    return round(found.score, 3)


def part(output, wanted, chosen):
    """Give the BLEU of the sentences that a mask, [sentences], chooses: 0 if there is none."""
    rows = np.flatnonzero(chosen)
    return rounded(sacrebleu.corpus_bleu([output[i] for i in rows], [[wanted[i] for i in rows]])) if len(rows) else 0.0


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("checkpoint", help="a checkpoint's directory, as `pbt best RUN --copy DIR` makes one")
    print(json.dumps(measure(options.parse_args().checkpoint)))
