"""The smallest rectangle around points, turned as they lie."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Rows of x and y."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """``x``, ``y``: its middle. ``along``: the unit vector of its width. The height is at right angles."""

    x: float
    y: float
    width: float
    height: float
    along: tuple[float, float]

    def grown(self, margin: float) -> "Rectangle":
        """The rectangle with ``margin`` more on each side."""
        return Rectangle(self.x, self.y, self.width + 2 * margin, self.height + 2 * margin, self.along)

    @property
    def corners(self) -> Points:
        """Top left, top right, bottom right, bottom left."""
        right = np.array(self.along) * self.width / 2
        down = np.array((-self.along[1], self.along[0])) * self.height / 2
        sides = np.stack((-right - down, right - down, right + down, down - right))
        corners: Points = sides + np.array((self.x, self.y))
        return corners


def rectangle_around(points: Points) -> Rectangle:
    """The smallest rectangle around ``points``. Its width runs to the right, at most 45° up or down."""
    hull = _hull(points)
    edges = np.diff(hull, axis=0, append=hull[:1])
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    edges = edges[lengths > 0] / lengths[lengths > 0, None] if lengths.any() else np.array([[1.0, 0.0]])
    across = hull @ edges.T
    down = hull @ np.stack((-edges[:, 1], edges[:, 0]))
    widths, heights = np.ptp(across, axis=0), np.ptp(down, axis=0)
    best = int(np.argmin(widths * heights))
    middle_across = (across[:, best].max() + across[:, best].min()) / 2
    middle_down = (down[:, best].max() + down[:, best].min()) / 2
    dx, dy = edges[best]
    x, y = middle_across * dx - middle_down * dy, middle_across * dy + middle_down * dx
    return _turned_right(Rectangle(x, y, float(widths[best]), float(heights[best]), (float(dx), float(dy))))


def _turned_right(found: Rectangle) -> Rectangle:
    """The same rectangle, whose width runs to the right."""
    dx, dy = found.along
    if abs(dx) >= abs(dy):
        sign = 1.0 if dx >= 0 else -1.0
        return Rectangle(found.x, found.y, found.width, found.height, (sign * dx, sign * dy))
    sign = 1.0 if dy >= 0 else -1.0
    return Rectangle(found.x, found.y, found.height, found.width, (sign * dy, -sign * dx))


def _hull(points: Points) -> Points:
    """The convex hull, by Andrew's monotone chain."""
    ordered = np.unique(points, axis=0).tolist()
    if len(ordered) < 3:
        return np.array(ordered, np.float64)
    return np.array(_half_hull(ordered)[:-1] + _half_hull(ordered[::-1])[:-1], np.float64)


def _half_hull(points: list[list[float]]) -> list[list[float]]:
    chain: list[list[float]] = []
    for x, y in points:
        while len(chain) > 1:
            (ax, ay), (bx, by) = chain[-2:]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                break
            chain.pop()
        chain.append([x, y])
    return chain
