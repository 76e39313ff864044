"""The fixed projection of token states, 384 to 64 dimensions, that late interaction reads.

The axes are computed from lines of words of the vocabulary, which every machine has. They keep as
much as axes of the searched texts themselves (MaxSim alone on SQuAD, MRR@10: .881 and .882;
random axes .879, 128 axes .896, all 384 .903).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rag.model import Vector

TOKEN_DIMENSION = 64

_WORDS_A_LINE = 48
_LINES = 96
_STRIDE = 7919
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"

Encode = Callable[[Sequence[int]], Vector]


def principal_axes(states: Vector, dimension: int = TOKEN_DIMENSION) -> Vector:
    """The ``dimension`` leading axes of ``states`` (n, 384), as columns, float32.

    They are axes about the origin, not the mean, since cosines are about the origin. The largest
    component of each axis is made positive, so that every machine gets the same axes.
    """
    moments = states.T.astype(np.float64) @ states
    axes = np.linalg.eigh(moments)[1][:, ::-1][:, :dimension]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(dimension)]
    return np.ascontiguousarray(axes * np.sign(largest), dtype=np.float32)


def sample_lines(vocabulary: dict[str, int]) -> list[list[int]]:
    """Token ids of lines of whole words, spread over the vocabulary; always the same."""
    words = [i for word, i in vocabulary.items() if len(word) > 1 and set(word) <= set(_ALPHABET)]
    ordered: NDArray[np.int64] = np.sort(np.array(words, dtype=np.int64))
    picked = ordered[np.arange(_LINES * _WORDS_A_LINE) * _STRIDE % len(ordered)]
    return picked.reshape(_LINES, _WORDS_A_LINE).tolist()


PROBES = (
    "What does the warranty cover?",
    "how do I restore a backup to another machine",
    "The committee met on 14 March 1987 and approved the budget of $3.2 million by a narrow majority.",
    "Water boils at a lower temperature at high altitude because the air pressure there is lower; "
    "cooking pasta on a mountain therefore takes noticeably longer than it does at sea level.",
    "def area(radius: float) -> float:\n    return math.pi * radius ** 2",
    "# Installation\n\nRun `make install`, then set `DATABASE_URL` and start the service with `make run`.",
    "Le chat dort sur le canapé pendant que la pluie tombe sur les toits de la ville.",
    "The defendant shall deliver the goods within thirty days of receipt of payment, failing which the "
    "purchaser may withdraw from the contract and claim damages for any loss that results from the delay.",
    "Photosynthesis turns carbon dioxide and water into sugar and oxygen with the energy of light.",
    "Error: connection refused (os error 111) while dialing 10.0.0.7:5432",
    "Her second novel, written in exile, sold poorly at first but is now taught in schools; critics praise "
    "its spare prose, its humour and the portrait of a harbour town that the narrator can never quite leave.",
    "Name: A. Miller | Role: nurse | Shift: nights | Phone: 555-0147",
)
"""Texts of several kinds, for comparing the int8 model with the fp32 one."""
