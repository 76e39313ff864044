"""Areas of a mask, the rectangles around them, and the parts of a page that have ink."""

from math import cos, radians, sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from workers.recognition.components import runs_of
from workers.recognition.geometry import rectangle_around
from workers.recognition.inked import inked_areas


def mask(*rows: str) -> np.ndarray:
    return np.array([[character == "#" for character in row] for row in rows])


def areas(*rows: str) -> int:
    return len(set(runs_of(mask(*rows)).areas.tolist()))


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        (("....", "...."), 0),
        (("##..", "...."), 1),
        (("#..#", "#..#"), 2),
        (("#...", ".#.."), 1),
        (("#.#", "#.#", "###"), 1),
        (("###", "#.#", "#.#"), 1),
        (("#..", "..#"), 2),
        (("#.#.#", ".#.#."), 1),
        (("##", "..", "##"), 2),
    ],
)
def test_pixels_that_touch_by_a_side_or_a_corner_are_one_area(rows, count):
    assert areas(*rows) == count


@given(st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=7))
def test_areas_are_those_of_a_flood(pixels):
    found = runs_of(np.array(pixels))
    left, flooded = {(y, x) for y, row in enumerate(pixels) for x, on in enumerate(row) if on}, 0
    while left:
        flooded += 1
        edge = [left.pop()]
        while edge:
            y, x = edge.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge += near

    assert len(set(found.areas.tolist())) == flooded
    assert (found.ends - found.starts).sum() == sum(map(sum, pixels))


@pytest.mark.parametrize("degrees", [-40, -10, 0, 5, 44])
def test_a_turned_rectangle_is_found_as_it_lies(degrees):
    across, down = cos(radians(degrees)), sin(radians(degrees))
    corners = np.array([(-50, -5), (50, -5), (50, 5), (-50, 5)], np.float64)
    turned = corners @ np.array([(across, down), (-down, across)]) + (200, 300)

    found = rectangle_around(turned)

    assert (found.x, found.y, found.width, found.height) == pytest.approx((200, 300, 100, 10))
    assert found.along == pytest.approx((across, down))
    assert found.corners == pytest.approx(turned)


@pytest.mark.parametrize("points", [[(3, 4)], [(3, 4), (9, 4)], [(3, 4), (3, 9), (3, 6)]])
def test_points_on_a_line_have_a_rectangle_without_height(points):
    found = rectangle_around(np.array(points, np.float64))

    assert min(found.width, found.height) == 0


def test_a_page_is_divided_where_it_is_blank():
    page = Image.new("RGB", (800, 1200), "white")
    draw = ImageDraw.Draw(page)
    draw.rectangle((100, 100, 300, 120), fill="black")
    draw.rectangle((200, 140, 500, 160), fill="black")
    draw.rectangle((400, 900, 700, 920), fill="black")

    first, second = inked_areas(page)

    assert first == pytest.approx((100, 100, 500, 160), abs=24)
    assert second == pytest.approx((400, 900, 700, 920), abs=24)
    assert inked_areas(Image.new("RGB", (800, 1200), "white")) == []


def test_white_on_black_is_ink_too():
    page = Image.new("RGB", (800, 800), "black")
    ImageDraw.Draw(page).rectangle((100, 100, 300, 120), fill="white")

    assert len(inked_areas(page)) == 1
