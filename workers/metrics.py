"""The figures of one worker: of its own process, and of the children that a prefork pool replaces.

A solo worker is one process. A prefork worker has a parent and one child, whose figures lie in files that
are mapped into memory (https://prometheus.github.io/client_python/multiprocess). All children write to the
same files, one after another: so the sums stay exact when a child is replaced, and no file is left of it.
"""

import atexit
import glob
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from socket import gethostname
from tempfile import gettempdir, mkdtemp

import psutil
from prometheus_client import values
from prometheus_client.registry import Collector

from rag.errors import NoRoom
from rag.telemetry.call_metrics import CallMetrics
from rag.telemetry.exposition import render

_PARENT, _CHILD = "parent", "child"
_FILE_BYTES = {"histogram": 1 << 20, "counter": 1 << 16}
"""Written in advance, since a write to a mapped page that has no room on the disk kills the process."""

_FOLDER = "aegis-metrics-{host}-{pid}-"


class WorkerMetrics:
    """``calls``: what the worker's parts tell of their calls. Made before the pool forks."""

    def __init__(self, *, prefork: bool, note_server: Callable[[str, bool], None] | None = None) -> None:
        """``note_server``: see CallMetrics. NoRoom when the disk has none for a prefork worker's files."""
        self._folder = _make_folder() if prefork else None
        self._parent = os.getpid()
        self._share()
        self.calls = CallMetrics(exemplars=not prefork, note_server=note_server)

    def renew(self) -> None:
        """To be called in a child of the pool, before it calls anything that is measured."""
        if self._folder:
            self._share()
            self.calls.renew()

    def page(self, collectors: Sequence[Collector], as_openmetrics: bool) -> bytes:
        """All figures of the worker, and those of ``collectors``. To be called in the parent."""
        own = (self.calls.registry, *collectors) if self._folder is None else collectors
        return render(own, shared=self._folder, as_openmetrics=as_openmetrics)

    def _share(self) -> None:
        """Have figures that are made from now on lie in the folder, if there is one."""
        if self._folder:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self._folder)
            values.ValueClass = values.MultiProcessValue(self._role)  # type: ignore[no-untyped-call]

    def _role(self) -> str:
        return _PARENT if os.getpid() == self._parent else _CHILD


def _make_folder() -> Path:
    """A private folder of this process, which is removed when it ends."""
    _remove_abandoned()
    try:
        folder = Path(mkdtemp(prefix=_FOLDER.format(host=gethostname(), pid=os.getpid())))
        for kind, size in _FILE_BYTES.items():
            for role in (_PARENT, _CHILD):
                (folder / f"{kind}_{role}.db").write_bytes(bytes(size))
    except OSError as error:
        raise NoRoom(f"METRICS_PORT: no room for figures in {gettempdir()}: {error}") from error
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove_abandoned() -> None:
    """Remove the folders of processes of this host that are gone; also of one that had this process' id."""
    ours = glob.escape(_FOLDER.format(host=gethostname(), pid="")[:-1])
    for folder in Path(gettempdir()).glob(f"{ours}*"):
        pid = folder.name.split("-")[-2]
        if pid.isdecimal() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            shutil.rmtree(folder, ignore_errors=True)


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
