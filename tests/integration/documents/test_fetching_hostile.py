"""Whatever a server or a name server does, a fetch ends in time, with little memory, and stays outside."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.hostilenet import INNER_PORT

SECONDS = 3.0
GRACE = 2.0
MOST_MB = 128  # an interpreter with OpenSSL and certificates is 35

EVIL = "http://evil.test"
ENDLESS = (
    "slowhead", "interim", "interim_fast", "slowbody", "endless", "gzname", "gzname_fast", "gzempty",
    "gzempty_fast", "gzmembers", "gzbomb", "gzgz", "gzmany", "trailers", "chunkext", "tinychunks", "length",
    "http09",
)  # fmt: skip
REDIRECTS = (
    "private", "noscheme", "file", "gopher", "userinfo", "decimal", "hex", "mapped", "metadata",
    "private-name", "self", "unicode", "spaces", "tab", "long",
)  # fmt: skip


class Net:
    """The process in which :mod:`tests.integration.hostilenet` runs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def fetch(self, url: str, **fields: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"url": url, "max_bytes": 5_000_000, "seconds": SECONDS} | fields
        print(json.dumps(order), file=self._process.stdin, flush=True)
        came: dict[str, Any] = json.loads(self._process.stdout.readline())
        return came


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    missing = [tool for tool in ("unshare", "ip", "mount") if shutil.which(tool) is None]
    if missing:
        _without(f"{' and '.join(missing)} missing")
    folder: Path = tmp_path_factory.mktemp("net")
    alone = ["unshare", "-nm"] if os.geteuid() == 0 else ["unshare", "-rnm"]
    command = [*alone, sys.executable, "-m", "tests.integration.hostilenet", str(folder / "resolv.conf")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "ready\n":
            _without((folder / "log").read_text()[-300:])
        yield Net(process)
    finally:
        process.kill()
        process.communicate()


def _without(reason: str) -> None:
    """No network of its own can be made: a reason to skip on a laptop, and to fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"no network namespace can be made: {reason}")
    pytest.skip(f"no network namespace can be made here: {reason}")


def ends_well(came: dict[str, Any]) -> bool:
    return (
        came["seconds"] < SECONDS + GRACE
        and came["peak_mb"] < MOST_MB
        and came["inside"] == []
        and came["left"] == 0
    )


def test_an_honest_document_is_fetched(net: Net) -> None:
    came = net.fetch(f"{EVIL}/ok?signature=s3cret", seconds=15.0)
    assert (came["kind"], came["text"], came["url"]) == ("fetched", "public words", f"{EVIL}/ok")


@pytest.mark.parametrize("path", ENDLESS)
def test_what_never_ends_is_ended_in_its_time(net: Net, path: str) -> None:
    came = net.fetch(f"{EVIL}/{path}?signature=s3cret")
    assert ends_well(came), came
    assert came["kind"] in ("TimedOut", "DocumentTooLarge", "InvalidRequest", "Unavailable")
    assert "s3cret" not in came["text"]


@pytest.mark.parametrize("name", REDIRECTS)
def test_no_redirect_leads_inside(net: Net, name: str) -> None:
    came = net.fetch(f"{EVIL}/to/{name}")
    assert ends_well(came), came
    assert came["kind"] == "InvalidRequest", came


@pytest.mark.parametrize("path", [f"http://rebind.test:{INNER_PORT}/ok", f"{EVIL}/to/rebinding"])
def test_a_name_that_moves_inside_is_not_followed(net: Net, path: str) -> None:
    came = [net.fetch(path, seconds=15.0) for _ in range(4)]
    assert {each["kind"] for each in came} == {"fetched", "InvalidRequest"}
    assert all(each["inside"] == [] for each in came)
    assert all(each["text"] == "public words" for each in came if each["kind"] == "fetched")


def test_of_several_addresses_only_outer_ones_are_asked(net: Net) -> None:
    came = net.fetch(f"http://both.test:{INNER_PORT}/ok", seconds=15.0)
    assert (came["kind"], came["inside"]) == ("fetched", [])


@pytest.mark.parametrize("host", ["meta.test", "169.254.169.254", "[fd00:ec2::254]", "[fe80::1]"])
def test_metadata_stays_refused_where_private_addresses_are_allowed(net: Net, host: str) -> None:
    came = net.fetch(f"http://{host}/latest", allow_private=True, seconds=15.0)
    assert came["kind"] == "InvalidRequest"
    assert "metadata" in came["text"]


@pytest.mark.parametrize("url", ["http://slow.test/", "http://many.test:81/"])
def test_names_and_hosts_that_do_not_answer_are_given_up_in_time(net: Net, url: str) -> None:
    came = net.fetch(url)
    assert ends_well(came), came
    assert came["kind"] in ("TimedOut", "Unavailable")


@pytest.mark.parametrize("charset", ["punycode", "idna", "undefined", "zlib", "unicode_escape"])
def test_no_header_chooses_a_codec_that_is_none(net: Net, charset: str) -> None:
    came = net.fetch(f"{EVIL}/charset/{charset}", seconds=15.0)
    assert came["kind"] == "fetched"
    assert came["text"].startswith("xn--a.")
    assert came["seconds"] < 10


def test_nothing_of_it_holds_memory_here(net: Net) -> None:
    """The process that waits keeps no more than a document, whatever came before."""
    came = net.fetch(f"{EVIL}/ok", seconds=15.0)
    assert came["peak_mb"] < MOST_MB
