"""What a cluster occupies on the machine while it runs, and its removal, whatever happens.

All of it hangs on one folder: programs name it in their arguments, mounts lie in it, the network namespace
and the control group have its name. So a later run can remove what a killed one left.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import psutil

from tests.building import locked
from tests.kubernetes import network

PLACE = Path("/var/tmp")
"""Not the tests' temporary folder: that may be in memory, and images are large."""

PREFIX = "aegis-kubernetes-"

_CGROUPS = Path("/sys/fs/cgroup")
_LINKS = Path("/var/log/containers")
_RESULTS = Path("/var/lib/cni/results")
_SHARED = (_LINKS, _RESULTS.parent, Path("/var/lib/kubelet"))
"""Folders that are the same for every kubelet."""

_SYSCTLS = (
    "vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops",
    "kernel.keys.root_maxkeys", "kernel.keys.root_maxbytes",
)  # fmt: skip
"""What a kubelet sets."""

_SECONDS = 20.0


def lay(prefix: str = PREFIX) -> Path:
    """A new folder, owned by this process. What dead owners left is removed first."""
    with locked(PLACE / f"{prefix}lock"):
        for folder in PLACE.glob(f"{prefix}*/"):
            if not _is_owned(folder):
                remove(folder)
        folder = Path(mkdtemp(prefix=prefix, dir=PLACE))
        folder.chmod(0o755)  # pods run as users of their own
        own = psutil.Process()
        (folder / "owner").write_text(json.dumps([own.pid, own.create_time()]))
    return folder


def note_machine(folder: Path) -> None:
    """Write down what a kubelet changes outside the folder, before one is started."""
    values = {name: _sysctl(name).read_text().strip() for name in _SYSCTLS}
    (folder / "sysctls").write_text(json.dumps(values))
    (folder / "absent").write_text(json.dumps([str(path) for path in _SHARED if not path.exists()]))


def create_cgroups(folder: Path) -> str:
    """A control group in every hierarchy, for all pods; its path for the kubelet."""
    for hierarchy in _hierarchies():
        group = hierarchy / folder.name
        group.mkdir()
        for inherited in ("cpuset.cpus", "cpuset.mems"):
            if (group / inherited).exists():
                (group / inherited).write_text((hierarchy / inherited).read_text())
    return f"/{folder.name}"


def remove(folder: Path) -> None:
    """End the programs, unmount, and remove everything of the cluster that runs in ``folder``."""
    _end_programs(folder)
    for mount in _mounts(folder):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
    for hierarchy in _hierarchies():
        _remove_cgroup(hierarchy / folder.name)
    _restore_sysctls(folder)
    network.remove(folder.name)
    _remove_outside(folder)
    shutil.rmtree(folder)


def _is_owned(folder: Path) -> bool:
    try:
        pid, created = json.loads((folder / "owner").read_text())
        return psutil.Process(pid).create_time() == created
    except (FileNotFoundError, psutil.NoSuchProcess):
        return False


def _end_programs(folder: Path) -> None:
    """First the programs of the cluster, which would start containers again, then what is in these."""
    deadline = time.monotonic() + _SECONDS
    while left := [*_programs(folder), *_contained(folder)]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {left} of {folder} do not end")
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _programs(folder: Path) -> Iterator[int]:
    """Processes that name the folder in their arguments: every program of the cluster does."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            named = any(str(folder) in argument for argument in process.cmdline())
            if named and process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
                yield process.pid


def _contained(folder: Path) -> Iterator[int]:
    for hierarchy in _hierarchies():
        for members in (hierarchy / folder.name).rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                yield from map(int, members.read_text().split())


def _mounts(folder: Path) -> list[str]:
    """Deepest first."""
    places = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted((place for place in places if place.startswith(f"{folder}/")), reverse=True)


def _remove_cgroup(group: Path) -> None:
    for below in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
        _remove_empty(below)
    if group.exists():
        _remove_empty(group)


def _remove_empty(group: Path) -> None:
    """The kernel takes a moment until a group whose last process has ended counts as empty."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _restore_sysctls(folder: Path) -> None:
    noted = folder / "sysctls"
    if noted.exists():
        for name, value in json.loads(noted.read_text()).items():
            _sysctl(name).write_text(value)


def _sysctl(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def _remove_outside(folder: Path) -> None:
    """Links to logs of pods and notes of the network plugins lie in folders that cannot be chosen.

    Those folders themselves go where the machine had none.
    """
    for link in _LINKS.glob("*"):
        if link.is_symlink() and str(folder) in str(link.readlink()):
            link.unlink()
    for note in _RESULTS.glob(f"{folder.name}-*"):
        note.unlink()
    noted = folder / "absent"
    for path in json.loads(noted.read_text()) if noted.exists() else ():
        shutil.rmtree(path, ignore_errors=True)


def _hierarchies() -> list[Path]:
    """Of control groups: one in version 2, one a controller in version 1."""
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return [
        path
        for path in _CGROUPS.iterdir()
        if path.is_dir() and path.name != "unified" and not path.is_symlink()
    ]
