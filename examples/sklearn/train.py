"""A linear classifier of handwritten digits with scikit-learn's partial_fit, as a member of a population.

pbt run pbt.yaml                                      # a population: see README.md
python3 train.py --pbt.steps=20 --pbt.eta0=0.01       # one classifier, without pbt
"""

import pickle
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import pbt

images, labels = load_digits(return_X_y=True)
# 360 of the 1,797 are put aside for the end; those left are to train and to validate on
images, _, labels, _ = train_test_split(images / 16, labels, test_size=360, random_state=0, stratify=labels)
train_x, valid_x, train_y, valid_y = train_test_split(images, labels, test_size=360, random_state=1, stratify=labels)


def save(directory):
    # pickle is fine here: these files are read by nobody but this program. Never unpickle a stranger's.
    Path(directory, "model.pickle").write_bytes(pickle.dumps(model))


for segment in pbt.segments(fresh=True, defaults={"alpha": 1e-4, "eta0": 0.01}):
    if segment.fresh:
        model = SGDClassifier(loss="log_loss", learning_rate="constant")
    if segment.load:
        model = pickle.loads(Path(segment.load, "model.pickle").read_bytes())
    model.set_params(alpha=segment.hypers.alpha, eta0=segment.hypers.eta0)  # after loading
    segment.in_force(alpha=model.alpha, eta0=model.eta0)
    random = np.random.default_rng(segment.seed)
    for _ in segment:  # a step is one pass over the training data
        model.set_params(random_state=int(random.integers(2**31)))  # the order of the images
        model.partial_fit(train_x, train_y, classes=range(10))
    loss = log_loss(valid_y, model.predict_proba(valid_x))
    segment.report(loss, save=save, metrics={"accuracy": model.score(valid_x, valid_y)})
