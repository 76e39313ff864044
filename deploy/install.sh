#!/bin/sh
# Makes .venv and installs the given locks and this project into it.
#   deploy/install.sh LOCK...      PYTHON=python3.12 chooses the interpreter
set -eu
cd "$(dirname "$0")/.."
venv=.venv

say() { printf '%s\n' "aegis: $*" >&2; }

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

interpreter() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    say "needs Python 3.11 or newer; ${PYTHON:-python3} is $("${PYTHON:-python3}" -V 2>&1 || true)." \
        "Install one (apt install python3 python3-venv, brew install python) or name it: make PYTHON=/path/to/python3"
    return 1
}

# Debian keeps ensurepip in a package of its own, so venv may be there and not work.
make_venv() {
    python=$(interpreter)
    say "making $venv with $("$python" -V)"
    rm -rf "$venv"
    "$python" -m venv "$venv" >/dev/null 2>&1 && return
    rm -rf "$venv"
    "$python" -m virtualenv --quiet "$venv" >/dev/null 2>&1 && return
    rm -rf "$venv"
    command -v uv >/dev/null 2>&1 && uv venv --quiet --seed --python "$python" "$venv" && return
    rm -rf "$venv"
    say "$python cannot make virtual environments: install its venv package (Debian, Ubuntu: apt install python3-venv)"
    return 1
}

# uv installs five times faster; pip stands in where uv cannot reach an index that only pip is configured for.
install() {
    "$venv/bin/uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" "$@" && return
    say "uv could not install, trying pip"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

if ! { [ -f "$venv/ready" ] && fits "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; }; then
    make_venv
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --no-deps --require-hashes -r deploy/locks/install.lock
    touch "$venv/ready"
fi
for lock in "$@"; do
    say "installing $lock ($(grep -c '^[a-z]' "$lock") packages)"
    install --no-deps --require-hashes -r "$lock"
done
install --no-deps --no-build-isolation --editable .
# A stack is a dozen processes; without bytecode each of them compiles for seconds at every start.
"$venv/bin/python" -m compileall -q rag tasks workers beat api cli bench
