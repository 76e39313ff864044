"""Rooms stand above what they import, and the page of the architecture draws them as they are."""

import pytest

from tests.rooms import floors_of, main


def test_a_room_stands_on_the_floor_above_all_that_it_imports() -> None:
    rooms = {"errors": set[str](), "model": {"errors"}, "jobs": {"model", "errors"}, "web": set[str]()}

    assert floors_of(rooms) == [["errors", "web"], ["model"], ["jobs"]]


def test_rooms_that_import_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="circle: a, b"):
        floors_of({"a": {"b"}, "b": {"a"}, "c": set()})


def test_the_page_draws_the_rooms_that_there_are() -> None:
    assert main("--check") == 0
