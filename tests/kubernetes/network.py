"""Network namespaces: where a cluster's addresses are, and how a test gets in.

A thread that entered a namespace opens its sockets there, and so do the threads and programs that it starts.
The rest of this process stays where it was.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NODE_ADDRESS = "172.30.0.10"
PODS = "10.244.0.0/16"
NODE_PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
PUBLIC_ADDRESS = "203.0.113.10"
"""Of the documentation's range (RFC 5737), which policies take for the internet."""
PRIVATE_ADDRESS = "192.168.77.10"

_OUTSIDE = "-outside"

_NEW_NETWORK = 0x40000000
"""CLONE_NEWNET of sched.h."""

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def entered(namespace: Path) -> Iterator[None]:
    """Within the block this thread is in the network namespace that the file stands for."""
    with Path("/proc/thread-self/ns/net").open() as before, namespace.open() as wanted:
        _set(wanted.fileno())
        try:
            yield
        finally:
            _set(before.fileno())


def _set(descriptor: int) -> None:
    if _libc.setns(descriptor, _NEW_NETWORK) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def namespace_of(name: str) -> Path:
    return Path("/var/run/netns") / name


def create(name: str) -> Path:
    """A namespace with the node's address on a bridge, and no way out of the machine."""
    _ip("netns", "add", name)
    with entered(namespace_of(name)):
        _ip("link", "set", "lo", "up")
        _ip("link", "add", "node", "type", "bridge")
        _ip("address", "add", f"{NODE_ADDRESS}/24", "dev", "node")
        _ip("link", "set", "node", "up")
        _ip("route", "add", "default", "dev", "node")
        _forward()
    return namespace_of(name)


def _forward() -> None:
    """Route packets, and let bridged ones be filtered too: the policies count on it."""
    subprocess.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)
    subprocess.run(["sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1"], check=True)


def create_outside(name: str) -> Path:
    """A machine beside the node, in a namespace of its own, with a public address and a private one."""
    outside = f"{name}{_OUTSIDE}"
    _ip("netns", "add", outside)
    with entered(namespace_of(name)):
        _ip("link", "add", "outside", "type", "veth", "peer", "name", "cable", "netns", outside)
        _ip("link", "set", "outside", "master", "node", "up")
    with entered(namespace_of(outside)):
        for address in (PUBLIC_ADDRESS, PRIVATE_ADDRESS, "172.30.0.11"):
            _ip("address", "add", f"{address}/24", "dev", "cable")
        _ip("link", "set", "cable", "up")
        _ip("route", "add", "default", "via", NODE_ADDRESS)
    return namespace_of(outside)


def remove(name: str) -> None:
    """The cluster's namespace, and that of the machine beside it."""
    for each in (f"{name}{_OUTSIDE}", name):
        if namespace_of(each).exists():
            _ip("netns", "delete", each)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
