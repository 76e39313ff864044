"""What is done to a stack under load. A blow returns when it is dealt; mending is the stack's own matter."""

import os
import shutil
import signal
from collections.abc import Callable
from functools import partial

from tests.chaos.faults.traps import HOLD, KILL
from tests.chaos.load import Load
from tests.chaos.stack import BACK_SECONDS, Target
from tests.system.running import until

Blow = Callable[[Target, Load], None]

IN_A_TASK = {
    "parse": "cut",
    "embed": "embed_passages",
    "embed-query": "embed_queries",
    "index": "upsert",
    "rerank": "relevance",
    "generate": "answer",
    "maintenance": "delete",
}
"""By lane of the load's jobs, the call during which its worker is killed."""


# --- on any stack


def kill(part: str) -> Blow:
    def blow(target: Target, load: Load) -> None:
        target.until_replaced(part, target.hit(part))

    return _named(f"kill-{part}", blow)


def kill_beat(target: Target, load: Load) -> None:
    """What the queue then loses comes back without its successor."""
    target.until_replaced("beat", target.hit("beat"))
    target.hit(target.part("parse"), signal.SIGSTOP)  # so that there is something to lose
    try:
        until(lambda: target.lose_messages("parse") > 0, BACK_SECONDS)
    finally:
        target.hit(target.part("parse"), signal.SIGCONT)


def kill_all_workers(target: Target, load: Load) -> None:
    killed = {worker: target.hit(worker) for worker in target.workers}
    for worker, pid in killed.items():
        target.until_replaced(worker, pid)


def restart_all_pools(target: Target, load: Load) -> None:
    """One after the other, as a new version is rolled out."""
    for worker in target.workers:
        target.until_replaced(worker, target.hit(worker, signal.SIGTERM))
        target.until_whole()


def freeze_broker(target: Target, load: Load) -> None:
    target.hit("broker", signal.SIGSTOP)
    try:
        load.goes_on_for(load.frozen_seconds)
    finally:
        target.hit("broker", signal.SIGCONT)


def lose_broker_data(target: Target, load: Load) -> None:
    """The broker and its append-only file go at once; it stands still while the file is removed."""
    pid = target.hit("broker", signal.SIGSTOP)
    shutil.rmtree(target.home / "redis")
    (target.home / "redis").mkdir()
    target.hit("broker")
    target.until_replaced("broker", pid)


# --- on a rigged one


def until_held(target: Target, lane: str, call: str) -> int:
    """Hold the lane's next task that makes that call, before it does; the process that is at it."""
    point = f"{lane}.{call}"
    target.traps.set(point, HOLD)
    until(lambda: target.traps.sprung(point) is not None, BACK_SECONDS)
    return target.traps.sprung(point) or 0


def kill_in_a_task(lane: str) -> Blow:
    """The worker, its main process, while it or its pool process is in the middle of the lane's work."""

    return _named(f"kill-{lane}-in-a-task", kill_before(lane, IN_A_TASK[lane]))


def kill_before(lane: str, call: str) -> Blow:
    """The worker, while a task of its is about to make that call."""

    def blow(target: Target, load: Load) -> None:
        part = target.worker_of(until_held(target, lane, call))
        target.until_replaced(part, target.hit(part))

    return _named(f"kill-{lane}-before-{call}", blow)


def kill_pool_process_in_a_task(lane: str) -> Blow:
    def blow(target: Target, load: Load) -> None:
        os.kill(until_held(target, lane, IN_A_TASK[lane]), signal.SIGKILL)

    return _named(f"kill-pool-process-of-{lane}-in-a-task", blow)


def end_at(part: str, point: str) -> Blow:
    """The part kills itself at that very point."""

    def blow(target: Target, load: Load) -> None:
        pid = target.pid(part)
        target.traps.set(point, KILL)
        until(lambda: target.traps.sprung(point) is not None, BACK_SECONDS)
        target.until_replaced(part, pid or 0)

    return _named(f"end-at-{point}", blow)


def _named(name: str, blow: Blow) -> Blow:
    named = partial(blow)
    named.__name__ = name
    return named
