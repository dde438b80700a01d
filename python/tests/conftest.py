from __future__ import annotations

import pathlib
from typing import Iterator

import pytest
from engine import Engine


@pytest.fixture
def engine(tmp_path: pathlib.Path) -> Iterator[Engine]:
    fake = Engine(tmp_path)
    yield fake
    fake.close()
