"""Blocks made by hand, for tests that want to say what each line is."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from workloads.tags import Tags
from workloads.workload import Block, Truth

MakeBlock = Callable[..., Block]


@pytest.fixture
def make_block() -> MakeBlock:
    """Return a maker of blocks from due times, and optionally lengths, methods and errors."""
    return _make_block


def _make_block(
    due_ns: Sequence[int],
    *,
    first: int = 0,
    lengths: Sequence[int] | None = None,
    method: Sequence[int] | None = None,
    error: Sequence[int] | None = None,
) -> Block:
    size = len(due_ns)
    lengths = lengths or [5] * size
    return Block(
        first=first,
        lines=["x" * length for length in lengths],
        due_ns=np.array(due_ns, dtype=np.int64),
        tags=[Tags()] * size,
        truth=Truth(
            lengths=np.array(lengths, dtype=np.int64),
            method=np.array(method or [0] * size, dtype=np.int32),
            error=np.array(error or [0] * size, dtype=np.int8),
        ),
    )
