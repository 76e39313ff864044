"""Waiting for what threads of native code compute."""

import asyncio
from threading import Thread

import pytest

from rag.parsing.waiting import result_of


async def told_by_a_thread(told: str | Exception) -> str:
    """As native code does it: a future of the running loop, and a callback from another thread."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    tell = future.set_exception if isinstance(told, Exception) else future.set_result
    thread = Thread(target=loop.call_soon_threadsafe, args=(tell, told))
    thread.start()
    try:
        return str(await future)
    finally:
        thread.join()


def test_a_result_that_a_thread_tells_is_returned():
    assert result_of(told_by_a_thread("text")) == "text"


def test_an_error_that_a_thread_tells_is_raised():
    with pytest.raises(RuntimeError, match="broken"):
        result_of(told_by_a_thread(RuntimeError("broken")))


def test_no_loop_runs_afterwards():
    with pytest.raises(RuntimeError, match="broken"):
        result_of(told_by_a_thread(RuntimeError("broken")))

    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
