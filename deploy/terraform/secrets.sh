#!/bin/sh
# Prints the secrets of a new installation as one JSON object, for the store that the external secrets operator reads:
#   JINA_API_KEY=… deploy/terraform/secrets.sh > secrets.json
# The names are those of deploy/k8s/components/external-secrets/example.yaml. Keep a copy of backup-key elsewhere:
# without it no backup can be read again. Needs openssl.
set -eu
umask 077
: "${JINA_API_KEY:?is the key that Jina gave you}"

random() { openssl rand -hex 24; }

redis=$(random)
nodes="redis-sentinel-0.redis-sentinel:26379,redis-sentinel-1.redis-sentinel:26379,redis-sentinel-2.redis-sentinel:26379"
api_keys=$(printf '{\\"%s\\":{\\"name\\":\\"ops\\",\\"role\\":\\"admin\\",\\"collections\\":[\\"*\\"]}}' "$(random)")
cat <<EOF
{
  "redis-url": "sentinel://:$redis@$nodes/aegis?sentinel_password=$redis",
  "redis-password": "$redis",
  "message-key": "$(random)",
  "api-keys": "$api_keys",
  "flower-basic-auth": "ops:$(random)",
  "qdrant-api-key": "$(random)",
  "backup-key": "$(random)",
  "jina-api-key": "$JINA_API_KEY"
}
EOF
