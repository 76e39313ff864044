#!/bin/sh
# Brings docker-compose.yml's project to what .env says now, such as another AEGIS_VERSION, without a pause: the new
# containers of API and workers are healthy before the old ones are stopped. That takes the memory of both meanwhile.
#   deploy/compose/upgrade.sh
set -eu
cd "$(dirname "$0")/../.."
secrets=${SECRETS_DIR:-$(sed -n 's/^SECRETS_DIR=//p' .env | tail -n 1)}
settle=${SETTLE_SECONDS:-5} # until the load balancer has found new replicas

old() { # SERVICE…: ids of the containers that run now
    docker compose ps --quiet "$@"
}

start_beside() { # SERVICE…: each gets as many new containers as it has old ones; when it returns, all are healthy
    scales=
    for service in "$@"; do
        count=$(old "$service" | wc -l)
        scales="$scales --scale $service=$((2 * count))"
    done
    before=$(old "$@")
    # shellcheck disable=SC2086 # each is a word of its own
    docker compose up --detach --no-deps --no-recreate --wait $scales "$@" && return
    echo "upgrade: not every new container became healthy, so they are removed; the old ones serve on" >&2
    # shellcheck disable=SC2046
    docker rm --force $(docker compose ps --all --quiet "$@" | grep -vxF "$before") >/dev/null
    exit 1
}

remove() { # CONTAINER…: each ends what it has begun, or gives it back
    docker stop --time 35 "$@" >/dev/null
    docker rm "$@" >/dev/null
}

# Secrets that are new in this version, and what its parts may do in Redis.
SECRETS_DIR=$secrets deploy/compose/make-secrets.sh
if [ -n "$(old redis 2>/dev/null)" ]; then
    docker compose exec -T redis valkey-cli --user health --pass none --no-auth-warning acl load
fi

# Workers first: what a new API accepts, an old worker may not know.
workers=$(docker compose config --services | grep '^worker-')
# shellcheck disable=SC2086
{
    old_workers=$(old $workers)
    start_beside $workers
    remove $old_workers
}

old_replicas=$(old api)
start_beside api
sleep "$settle"
for replica in $old_replicas; do remove "$replica"; done

# What there is one of: the next takes its place.
docker compose up --detach --wait --remove-orphans
