"""A small convolutional network on Fashion-MNIST in PyTorch, as a member of a population.

pbt run pbt.yaml                                    # a population: see README.md
python3 train.py --pbt.steps=500 --pbt.lr=0.05      # one network, without pbt
"""

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import nn

import pbt
import pbt.torch

DATA = Path("/usr/share/datasets/fashion-mnist")
TRAIN, VALIDATE = slice(0, 50_000), slice(50_000, 60_000)  # both of the training set: the test set stays unseen


def read(name, header):
    return torch.from_numpy(np.frombuffer(gzip.decompress((DATA / name).read_bytes()), np.uint8, offset=header).copy())


def network():
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Dropout(), nn.Linear(16 * 7 * 7, 10)),
    )


def pixels(images):
    return images[:, None] / 255 - 0.3


@torch.no_grad()
def accuracy(model, images, labels):
    model.eval()
    right = (model(pixels(images)).argmax(1) == labels).float().mean()
    model.train()
    return right


images = read("train-images-idx3-ubyte.gz", 16).view(-1, 28, 28)
labels = read("train-labels-idx1-ubyte.gz", 8).long()

torch.manual_seed(pbt.weight_seed())  # each set of fresh weights gets a process of its own
model = network()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)
checkpoint = pbt.torch.Checkpoint(model=model, optimizer=optimizer)

for segment in pbt.segments(defaults={"lr": 0.01, "momentum": 0.9, "weight_decay": 0.0, "dropout": 0.2, "batch": 64}):
    checkpoint.begin(segment)  # loads, then puts lr, momentum and weight_decay in force
    model[5].p = segment.hypers.dropout
    torch.manual_seed(segment.seed)
    for _ in segment:
        batch = torch.randint(TRAIN.start, TRAIN.stop, (segment.hypers.batch,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(pixels(images[batch])), labels[batch]).backward()
        optimizer.step()
    segment.report(accuracy(model, images[VALIDATE], labels[VALIDATE]), save=checkpoint.save)
