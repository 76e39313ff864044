"""Says on which machine figures were taken, since they mean little without it."""

import os
import platform
from pathlib import Path

import psutil


def describe_machine() -> str:
    """Processor, cores, memory, system, Python, and the load of the last minute, in one line."""
    load = os.getloadavg()[0]
    parts = (
        _processor(),
        f"{os.cpu_count()} cores",
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        f"{platform.system()} {platform.machine()}",
        f"Python {platform.python_version()}",
        f"load {load:.1f} at the start",
    )
    return ", ".join(parts)


def _processor() -> str:
    """The model's name on Linux, which ``platform`` does not tell."""
    listing = Path("/proc/cpuinfo")
    if not listing.exists():
        return platform.processor() or platform.machine()
    for line in listing.read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
