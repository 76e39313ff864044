#!/bin/bash
# Brings the model onto this pod's disk. Asks nobody when it is there already.
set -eu
ollama serve &
server=$!
trap 'kill "$server" 2> /dev/null && wait "$server" || true' EXIT
until ollama list > /dev/null 2>&1; do
    kill -0 "$server"
    sleep 1
done
ollama show "$OLLAMA_MODEL" > /dev/null 2>&1 || ollama pull "$OLLAMA_MODEL"
