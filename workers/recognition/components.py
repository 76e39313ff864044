"""Finds the connected areas of a mask, by runs of its rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Runs:
    """Stretches of set pixels: run i has the columns ``starts[i] <= x < ends[i]`` of ``rows[i]``.

    They ascend by row, then by column. ``areas[i]``: the number of the connected area that the run is in.
    """

    rows: Integers
    starts: Integers
    ends: Integers
    areas: Integers


def runs_of(mask: Mask) -> Runs:
    """The runs of ``mask``; pixels that touch by a side or corner are connected."""
    height, width = mask.shape
    padded = np.zeros((height, width + 2), np.int8)
    padded[:, 1:-1] = mask
    changes = np.diff(padded, axis=1)
    rows, starts = np.nonzero(changes == 1)
    _, ends = np.nonzero(changes == -1)
    return Runs(rows, starts, ends, _areas(rows, starts, ends, width + 2))


def _areas(rows: Integers, starts: Integers, ends: Integers, stride: int) -> Integers:
    """Union-find over runs that touch one of the row above. ``stride``: more than any column."""
    above = (rows - 1) * stride
    first = np.searchsorted(rows * stride + ends, above + starts, side="left").tolist()
    last = np.searchsorted(rows * stride + starts, above + ends, side="right").tolist()
    parents = list(range(len(first)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = parents[parents[run]]
            run = parents[run]
        return run

    for run in range(len(parents)):
        for touched in range(first[run], last[run]):
            parents[root(run)] = root(touched)
    return np.array([root(run) for run in range(len(parents))], np.int64)
