#!/bin/sh
# Makes the secrets of docker-compose.yml, as files with random content; what is there already stays as it is, but
# for redis_users.acl, which says what this version's parts may do, with the passwords of before.
#   deploy/compose/make-secrets.sh [FOLDER]
# The folder is for its owner alone. The files in it may be read by everybody, since each container
# reads them as a user of its own; nobody else on this machine gets into the folder.
set -eu
umask 077

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-${SECRETS_DIR:-$here/secrets}}
mkdir -p "$folder"
chmod 700 "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

keep() { # NAME: its content is on stdin, and counts where there is no such file
    if [ -e "$folder/$1" ]; then cat >/dev/null; else cat >"$folder/.new" && mv "$folder/.new" "$folder/$1"; fi
    chmod 644 "$folder/$1"
}

update() { # NAME: the file keeps its place, since a container that has it mounted would go on with the old one
    cat >"$folder/.new"
    cmp -s "$folder/.new" "$folder/$1" || cat "$folder/.new" >"$folder/$1"
    rm "$folder/.new"
    chmod 644 "$folder/$1"
}

digest() { printf %s "$1" | sha256sum | cut -d' ' -f1; }

for name in api_key backup_key message_key qdrant_api_key grafana_password; do
    random | keep "$name"
done
printf '{"%s":{"name":"ops","role":"admin","collections":["*"]}}\n' "$(cat "$folder/api_key")" | keep api_keys
printf 'ops:%s\n' "$(random)" | keep flower_login
# For the operator to fill in, where they are used.
for name in jina_api_key alert_webhook_url; do
    : | keep "$name"
done

# Redis: a user a part, each with what it may do. The server has the digests of the passwords.
users=$(cat "$here/../redis/users.acl")
for part in api worker beat flower supervisor; do
    printf 'redis://aegis-%s:%s@redis:6379/0\n' "$part" "$(random)" | keep "redis_url_$part"
    password=$(sed 's/.*:\([^:@]*\)@.*/\1/' "$folder/redis_url_$part")
    users=$(printf %s "$users" | sed "s/>CHANGE-ME-aegis-$part /#$(digest "$password") /")
done
printf '%s\nuser health on nopass -@all +ping +acl|load\n' "$users" | update redis_users.acl

# S3: the keys of Aegis, and what it may do with them in its bucket.
printf '%s\n' '# Any setting of docs/reference/settings.md; .env counts more than this file.' \
    "AWS_ACCESS_KEY_ID=$(random)" "AWS_SECRET_ACCESS_KEY=$(random)" | keep settings.env
printf '{"identities":[{"name":"aegis","credentials":[{"accessKey":"%s","secretKey":"%s"}],%s}]}\n' \
    "$(sed -n 's/^AWS_ACCESS_KEY_ID=//p' "$folder/settings.env")" \
    "$(sed -n 's/^AWS_SECRET_ACCESS_KEY=//p' "$folder/settings.env")" \
    '"actions":["Read:aegis","Write:aegis","List:aegis"]' | keep s3.json

echo "the secrets are in $folder"
