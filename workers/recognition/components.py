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
    return Runs(rows, starts, ends, _areas(rows, starts, ends))


def _areas(rows: Integers, starts: Integers, ends: Integers) -> Integers:
    """Union-find over runs of neighbouring rows that touch."""
    parents = list(range(len(rows)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = parents[parents[run]]
            run = parents[run]
        return run

    first = np.searchsorted(rows, rows - 1).tolist()
    row, start, end = rows.tolist(), starts.tolist(), ends.tolist()
    above, above_row = 0, -1
    for run in range(len(row)):
        if row[run] != above_row:
            above, above_row = first[run], row[run]
        while above < run and row[above] == above_row - 1 and end[above] < start[run]:
            above += 1
        other = above
        while other < run and row[other] == above_row - 1 and start[other] <= end[run]:
            parents[root(run)] = root(other)
            other += 1
        above = max(above, other - 1) if other > above else above
    return np.array([root(run) for run in range(len(row))], np.int64)
