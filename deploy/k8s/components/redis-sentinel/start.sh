#!/bin/sh
# Starts the server as what two Sentinels say that it is. It waits for them, and never decides by itself: a
# primary that was away must not come back as one beside its successor.
set -eu
password=$(cat /run/secrets/redis/redis-password)
# shellcheck disable=SC3028 # Kubernetes sets HOSTNAME
me=$HOSTNAME.redis-headless

# The primary's name, by each of the Sentinels that answer
answers() {
    for number in 0 1 2; do
        REDISCLI_AUTH=$password timeout 3 valkey-cli --raw -h "redis-sentinel-$number.redis-sentinel" -p 26379 \
            sentinel get-primary-addr-by-name aegis 2> /dev/null | head -n 1 || true
    done
}

until primary=$(answers | sort | uniq -c | awk '$1 >= 2 { print $2 }') && [ -n "$primary" ]; do
    echo "waiting for two Sentinels that name the same primary"
    sleep 2
done
{
    printf 'requirepass %s\nprimaryauth %s\n' "$password" "$password"
    printf 'replica-announce-ip %s\n' "$me"
    [ "$primary" = "$me" ] || printf 'replicaof %s 6379\n' "$primary"
} > /tmp/server.conf
exec valkey-server /etc/redis/redis.conf --include /tmp/server.conf --maxmemory "$MAXMEMORY"
