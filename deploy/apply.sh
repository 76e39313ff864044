#!/bin/bash
# Applies an overlay of deploy/k8s/ with images by digest, and takes back what does not come up.
#
#   deploy/apply.sh [OPTIONS] OVERLAY api=IMAGE worker=IMAGE beat=IMAGE flower=IMAGE
#
#   OVERLAY is a folder of deploy/k8s/overlays, or any other folder with a kustomization;
#   IMAGE is REPOSITORY@sha256:…
#   --blue-green         the API by deploy/blue-green.sh: the colour that serves is left as it is until then
#   --watch, --drain SECONDS  for deploy/blue-green.sh
#   --namespace NAME     aegis-rag
#   --timeout SECONDS    for each rollout, 600
#   --dry-run            asks the API server about every object, and changes nothing
#
# Exit status: 0 it runs · 1 refused, or taken back · 2 wrong arguments · 4 it could not be taken back
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
readonly here
namespace=aegis-rag timeout=600 blue_green='' dry_run='' overlay='' images=() colors=()
serving='' scratch='' before=''

say() { printf 'apply: %s\n' "$*"; }

fail() { # STATUS MESSAGE...
    say "${@:2}" >&2
    exit "$1"
}

k() { kubectl --namespace "$namespace" "$@"; }

print_help() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; }

add_image() { # NAME=IMAGE
    [[ $1 =~ ^(api|worker|beat|flower)=[a-zA-Z0-9./:_-]+@sha256:[0-9a-f]{64}$ ]] ||
        fail 2 "'$1' is not NAME=REPOSITORY@sha256:… with NAME api, worker, beat or flower"
    images+=("$1")
}

parse_arguments() { # ARGUMENTS...
    while [ $# -gt 0 ]; do
        case $1 in
            --help | -h) print_help; exit ;;
            --dry-run) dry_run=yes ;;
            --blue-green) blue_green=yes ;;
            --watch | --drain) colors+=("$1" "${2:?takes seconds}"); shift ;;
            --namespace) namespace=${2:?takes a name}; shift ;;
            --timeout) timeout=${2:?takes seconds}; shift ;;
            -*) fail 2 "there is no option $1; $0 --help lists them" ;;
            *=*) add_image "$1" ;;
            *) overlay=$1 ;;
        esac
        shift
    done
    [ -d "$overlay" ] || overlay=$here/k8s/overlays/$overlay
    [ -f "$overlay/kustomization.yaml" ] || fail 2 "there is no kustomization in '$overlay'"
    [ ${#images[@]} -eq 4 ] || fail 2 "it takes four images: api, worker, beat and flower"
}

digest() { # NAME
    local each
    for each in "${images[@]}"; do
        case $each in "$1="*) echo "${each##*@}" ;; esac
    done
}

api_of() { if [ "$1" = blue ]; then echo aegis-api; else echo aegis-api-green; fi; } # COLOR

find_serving_color() {
    k get namespace "$namespace" >/dev/null ||
        fail 1 "there is no namespace $namespace: the first installation is made by hand (docs/deploy/kubernetes.md)"
    serving=$(k get service aegis-api-active --ignore-not-found --output 'jsonpath={.spec.selector.aegis-rag/color}')
}

# --- the kustomization

# The overlay, the images, and what the cluster alone knows: which colour serves, with how many pods.
write_kustomization() {
    scratch=$(mktemp -d "$(dirname "$overlay")/.apply.XXXXXX")
    {
        printf 'resources:\n  - ../%s\nimages:\n' "$(basename "$overlay")"
        write_images
        if [ -n "$serving" ]; then
            printf 'patches:\n'
            write_color
            write_replicas aegis-api
            write_replicas aegis-api-green
            if [ -n "$blue_green" ]; then leave_out "$(api_of "$serving")"; fi
        fi
    } >"$scratch/kustomization.yaml"
    kubectl kustomize "$scratch" >"$scratch/objects.yaml"
}

write_images() {
    local each name image
    for each in "${images[@]}"; do
        name=${each%%=*} image=${each#*=}
        printf '  - name: aegis-rag/%s\n    newName: %s\n    digest: %s\n' "$name" "${image%@*}" "${image##*@}"
    done
}

write_color() {
    printf '  - target: {kind: Service, name: aegis-api-active}\n    patch: |\n'
    printf '      - {op: add, path: /spec/selector/aegis-rag~1color, value: %s}\n' "$serving"
}

write_replicas() { # DEPLOYMENT
    local replicas
    replicas=$(k get deployment "$1" --ignore-not-found --output 'jsonpath={.spec.replicas}')
    [ -n "$replicas" ] || return 0
    printf '  - target: {kind: Deployment, name: %s}\n    patch: |\n' "$1"
    printf '      - {op: add, path: /spec/replicas, value: %s}\n' "$replicas"
}

leave_out() { # DEPLOYMENT
    printf '  - target: {kind: Deployment, name: %s}\n    patch: |\n' "$1"
    # shellcheck disable=SC2016  # $patch is a word of kustomize
    printf '      $patch: delete\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: %s}\n' "$1"
}

# --- into the cluster, and back

# A line for each: its name, and the revision of its pods. Scaling makes no new revision.
revisions() {
    k get deployments,statefulsets --selector app.kubernetes.io/part-of=aegis-rag --output \
        'jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.annotations.deployment\.kubernetes\.io/revision}{.status.updateRevision}{"\n"}{end}' | sort
}

changed() { # what has another revision than before; what was not there has nothing to go back to
    join <(printf '%s\n' "$before") <(revisions) | awk '$2 != $3 { print $1 }'
}

await_rollouts() {
    local each
    for each in $(revisions | cut -d' ' -f1); do
        say "waiting for $each"
        k rollout status "$each" --timeout "${timeout}s" >/dev/null || return 1
    done
}

undo() {
    local each
    sleep 3 # the controllers number what was applied a moment ago
    for each in $(changed); do
        say "taking $each back"
        k rollout undo "$each" >/dev/null || return 1
    done
    await_rollouts
}

switch_api() {
    "$here/blue-green.sh" --namespace "$namespace" --timeout "$timeout" ${colors[@]+"${colors[@]}"} \
        --worker "$(digest worker)" --beat "$(digest beat)" --flower "$(digest flower)" "$(digest api)"
}

roll_out() {
    k apply --filename "$scratch/objects.yaml" >/dev/null || return 1
    await_rollouts || return 1
    if [ -n "$blue_green" ]; then switch_api || return 1; fi
}

finish() {
    if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
}

main() {
    parse_arguments "$@"
    trap finish EXIT
    find_serving_color
    if [ -n "$blue_green" ] && [ -z "$serving" ]; then
        fail 1 "no colour serves yet, so there is nothing to switch from: leave --blue-green out this once"
    fi
    write_kustomization
    k apply --dry-run=server --filename "$scratch/objects.yaml" >/dev/null ||
        fail 1 "the API server refuses an object, so nothing was changed"
    if [ -n "$dry_run" ]; then say "the API server takes every object"; return; fi
    before=$(revisions)
    if ! roll_out; then
        undo || fail 4 "it did not come up, and could not be taken back: kubectl --namespace $namespace get pods"
        fail 1 "it did not come up, and was taken back"
    fi
    say "everything is up"
}

main "$@"
