#!/bin/sh
# Starts the server with the password of the Secret, which stands in no argument and no manifest.
set -eu
password=$(cat /run/secrets/redis/redis-password)
printf 'requirepass %s\nmasterauth %s\n' "$password" "$password" > /tmp/password.conf
exec valkey-server /etc/redis/redis.conf --include /tmp/password.conf --maxmemory "$MAXMEMORY"
