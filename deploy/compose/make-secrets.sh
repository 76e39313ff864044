#!/bin/sh
# Makes the secrets of docker-compose.yml, as files with random content; what is there already stays as it is.
#   deploy/compose/make-secrets.sh [FOLDER]
# The folder is for its owner alone. The files in it can be read by everybody, since each container reads
# them as a user of its own: nobody but the owner gets as far as to them.
set -eu
umask 077

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-${SECRETS_DIR:-$here/secrets}}
mkdir -p "$folder"
chmod 700 "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

keep() { # NAME: its content is on stdin, and counts where there is no such file
    if [ -e "$folder/$1" ]; then cat >/dev/null; else cat >"$folder/.new" && mv "$folder/.new" "$folder/$1"; fi
    chmod 444 "$folder/$1"
}

digest() { printf %s "$1" | sha256sum | cut -d' ' -f1; }

for name in api-key backup-key message-key qdrant-api-key grafana-password; do
    random | keep "$name"
done
printf '{"%s":{"name":"ops","role":"admin","collections":["*"]}}\n' "$(cat "$folder/api-key")" | keep api-keys
printf 'ops:%s\n' "$(random)" | keep flower-login
: | keep jina-api-key

# Redis: a user a part, each with what it may do. The server has the digests of the passwords.
if [ ! -e "$folder/redis-users.acl" ]; then
    users=$(cat "$here/../redis/users.acl")
    for part in api worker beat flower supervisor; do
        password=$(random)
        printf 'redis://aegis-%s:%s@redis:6379/0\n' "$part" "$password" | keep "redis-url-$part"
        users=$(printf %s "$users" | sed "s/>CHANGE-ME-aegis-$part /#$(digest "$password") /")
    done
    printf '%s\nuser health on nopass -@all +ping\n' "$users" | keep redis-users.acl
fi

# S3: what Aegis may do in its bucket, and the same keys for Aegis.
if [ ! -e "$folder/s3.json" ]; then
    key=$(random) secret=$(random)
    printf '%s\n' '# Any setting of docs/reference/settings.md; .env counts more than this file.' \
        "AWS_ACCESS_KEY_ID=$key" "AWS_SECRET_ACCESS_KEY=$secret" | keep settings.env
    printf '{"identities":[{"name":"aegis","credentials":[{"accessKey":"%s","secretKey":"%s"}],%s}]}\n' "$key" "$secret" \
        '"actions":["Read:aegis","Write:aegis","List:aegis"]' | keep s3.json
fi
echo "the secrets are in $folder"
