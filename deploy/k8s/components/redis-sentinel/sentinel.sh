#!/bin/sh
# Starts a Sentinel. What it has learnt is on its disk; only the passwords are written anew, since they may change.
set -eu
password=$(cat /run/secrets/redis/redis-password)
file=/data/sentinel.conf
if [ ! -f "$file" ]; then
    cat > "$file.new" << 'END'
port 26379
dir /data
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel monitor aegis redis-0.redis-headless 6379 2
sentinel down-after-milliseconds aegis 5000
sentinel failover-timeout aegis 30000
sentinel parallel-syncs aegis 1
END
    mv "$file.new" "$file"
fi
kept=$(grep -v -e '^requirepass ' -e '^sentinel auth-pass ' -e '^sentinel sentinel-pass ' \
    -e '^sentinel announce-ip ' -e '^user ' "$file")
{
    printf '%s\n' "$kept"
    printf 'requirepass %s\nsentinel sentinel-pass %s\nsentinel auth-pass aegis %s\n' "$password" "$password" "$password"
    # shellcheck disable=SC3028 # Kubernetes sets HOSTNAME
    printf 'sentinel announce-ip %s.redis-sentinel\n' "$HOSTNAME"
} > "$file.new"
mv "$file.new" "$file"
exec valkey-sentinel "$file"
