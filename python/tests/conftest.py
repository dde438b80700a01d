from __future__ import annotations

import pathlib
import signal
from typing import Iterator

import pytest
from engine import Engine

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell; the trainers would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def engine(tmp_path: pathlib.Path) -> Iterator[Engine]:
    fake = Engine(tmp_path)
    yield fake
    fake.close()
