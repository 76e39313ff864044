#!/bin/sh
# Brings docker-compose.yml's project to what .env says now, such as another AEGIS_VERSION, without a pause: the new
# containers of API and workers are healthy before the old ones are stopped. That takes the memory of both meanwhile.
#   deploy/compose/upgrade.sh
set -eu
cd "$(dirname "$0")/../.."
settle=${SETTLE_SECONDS:-5} # until the load balancer has found new replicas

old() { docker compose ps --quiet "$@"; }

overlap() { # SERVICE…: each gets as many new containers as it has old ones, then these are stopped
    scales=
    for service in "$@"; do
        count=$(old "$service" | wc -l)
        scales="$scales --scale $service=$((2 * count))"
    done
    before=$(old "$@")
    # shellcheck disable=SC2086 # each is a word of its own
    docker compose up --detach --no-deps --no-recreate --wait $scales "$@"
    sleep "$settle"
    for container in $before; do # one after the other; each ends what it has begun, or gives it back
        docker stop --time 35 "$container" >/dev/null
        docker rm "$container" >/dev/null
    done
}

workers=$(docker compose config --services | grep '^worker-')
# Workers first: what a new API accepts, an old worker may not know.
# shellcheck disable=SC2086
overlap $workers
overlap api
docker compose up --detach --wait --remove-orphans
