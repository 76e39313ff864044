"""deploy/docker/sign with stand-ins of docker and cosign that write down how they are called."""

import subprocess
from pathlib import Path

import pytest

SIGN = Path(__file__).parents[2] / "deploy/docker/sign"
REMOTE = "registry.example:5000/aegis-rag/api"
DIGEST = f"{REMOTE}@sha256:{'a' * 64}"

_STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
case $2 in inspect) printf '%s\\n' "$OTHER" "$DIGEST" ;; esac
[ "$1" != "$FAILS" ]
"""


def sign(folder: Path, fails: str = "", key: str = "cosign.key") -> tuple[int, str, list[str]]:
    """Exit status, what it prints, and the calls that it made; ``fails``: the command that ends with 1."""
    for name in ("docker", "cosign"):
        (folder / name).write_text(_STAND_IN)
        (folder / name).chmod(0o755)
    environment = {
        "PATH": f"{folder}:/usr/bin:/bin",
        "CALLS": str(folder / "calls"),
        "DIGEST": DIGEST,
        "OTHER": f"elsewhere.example/api@sha256:{'b' * 64}",
        "FAILS": fails,
        **({"COSIGN_KEY": key} if key else {}),
    }
    words = [SIGN, "aegis-rag/api:1", f"{REMOTE}:1", "api.spdx.json"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    calls = folder / "calls"
    return done.returncode, done.stdout, calls.read_text().splitlines() if calls.exists() else []


def test_what_was_pushed_is_signed_and_attested_by_its_digest(tmp_path: Path) -> None:
    status, printed, calls = sign(tmp_path)

    assert (status, printed) == (0, f"{DIGEST}\n")
    pushed, signed, attested = (
        calls.index(next(call for call in calls if call.startswith(words)))
        for words in ("docker push", "cosign sign", "cosign attest")
    )
    assert pushed < signed < attested
    assert calls[signed].endswith(DIGEST)
    assert "--key cosign.key" in calls[signed]
    assert "--predicate api.spdx.json" in calls[attested]
    assert calls[attested].endswith(DIGEST)


@pytest.mark.parametrize("command", ["push", "sign", "attest"])
def test_a_step_that_fails_is_the_last_and_no_digest_is_printed(tmp_path: Path, command: str) -> None:
    status, printed, calls = sign(tmp_path, fails=command)

    assert status != 0
    assert printed == ""
    assert calls[-1].split()[1] == command


def test_without_a_key_nothing_is_pushed(tmp_path: Path) -> None:
    status, _, calls = sign(tmp_path, key="")

    assert status != 0
    assert not calls
