"""Boosted trees on handwritten digits with XGBoost, continued from a saved booster, as a member of a population.

pbt run pbt.yaml                               # a population: see README.md
python3 train.py --pbt.steps=20 --pbt.eta=0.3  # one booster, without pbt
"""

from pathlib import Path

import xgboost
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import pbt

FILE = "booster.ubj"
FIXED = {"objective": "multi:softprob", "num_class": 10, "eval_metric": ["merror", "mlogloss"], "nthread": 1}
DEFAULTS = {"eta": 0.3, "max_depth": 6, "subsample": 1.0, "colsample_bytree": 1.0, "lambda": 1.0}

images, labels = load_digits(return_X_y=True)
# 360 of the 1,797 are put aside for the end; those left are to train and to validate on
images, _, labels, _ = train_test_split(images, labels, test_size=360, random_state=0, stratify=labels)
train_x, valid_x, train_y, valid_y = train_test_split(images, labels, test_size=360, random_state=1, stratify=labels)
train, valid = xgboost.DMatrix(train_x, train_y, nthread=1), xgboost.DMatrix(valid_x, valid_y, nthread=1)


def save(directory):
    Path(directory, FILE).write_bytes(model)


for segment in pbt.segments(fresh=True, defaults=DEFAULTS):
    if segment.fresh:
        model = None
    if segment.load:
        model = bytearray(Path(segment.load, FILE).read_bytes())
    booster = xgboost.Booster(FIXED, [train], model_file=model)  # anew each time: a live one does not heed a new seed
    booster.set_param({**segment.hypers, "seed": segment.seed % 2**31})
    for step in segment:  # a step is a round: one more tree for each digit
        booster.update(train, step)
    model = booster.save_raw()
    error, loss = (float(field.split(":")[1]) for field in booster.eval(valid).split()[1:])
    segment.report(loss, save=save, metrics={"error": error})
