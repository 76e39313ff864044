#!/bin/bash
# Rolls a version out beside the one that serves, and moves the traffic once the new one has proven itself.
#
#   deploy/blue-green.sh [OPTIONS] VERSION   to VERSION: a tag, or the digest sha256:… of the API's image
#   deploy/blue-green.sh [OPTIONS] --back    to the colour that served before, with the workers of its time
#   deploy/blue-green.sh --unlock            removes the lock of a run that ended without doing so
#
#   --worker, --beat, --flower VERSION  other images' versions. A tag is for all; a digest is for one image,
#                                       so a part without a digest of its own stays as it is.
#   --namespace NAME     aegis-rag
#   --timeout SECONDS    for each rollout, 300
#   --watch SECONDS      how long the new colour is watched after the switch, 60
#   --drain SECONDS      how long the old colour is kept after that, 30
#   --smoke CRONJOB      a CronJob of which one Job has to succeed before the switch
#   --dry-run            reads, prints each command that changes something, and changes nothing
#
# Exit status: 0 done · 1 nothing was switched · 2 wrong arguments · 3 switched, and switched back after trouble
#              4 a person has to look: the way back failed · 130, 143 interrupted, on a colour that works
set -euo pipefail

readonly SERVICE=aegis-api-active LOCK=aegis-blue-green PORT=8910
readonly MOST_ERRORS=3 MORE_PERCENT=1 # this many 5xx, and this much above the old colour's share, are trouble
readonly PARTS=aegis-rag/parts        # the annotation of a colour's Deployment with its workers' images

namespace=aegis-rag timeout=300 watch=60 drain=30 smoke='' dry_run='' action=forward
version='' worker='' beat='' flower=''
active='' next='' replicas=0 idle_replicas=0 idle_image='' phase=begun why='' holder="${USER:-$(id -un)}@$(hostname) $$"

say() { printf 'blue-green: %s\n' "$*"; }

complain() { say "$@" >&2; }

fail() { # STATUS MESSAGE...
    complain "${@:2}"
    exit "$1"
}

print_help() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; }

# --- kubectl

k() { kubectl --namespace "$namespace" --request-timeout=20s "$@"; }

# A GET of a pod or service, through the API server. kubectl hands --request-timeout on to the API as a parameter
# that it refuses, so the time is bounded here, where there is something to bound it with.
ask() { # PATH below the namespace
    if type -P timeout >/dev/null; then timeout 20 kubectl get --raw "/api/v1/namespaces/$namespace/$1"
    else kubectl get --raw "/api/v1/namespaces/$namespace/$1"; fi
}

show() { # COMMAND...
    printf 'would run: kubectl --namespace %s' "$namespace"
    printf ' %q' "$@"
    printf '\n'
}

change() { # COMMAND...
    if [ -n "$dry_run" ]; then show "$@"; else k "$@" >/dev/null; fi
}

# A shell handles a signal after its foreground command; `wait` lets it handle one at once.
interruptibly() { # COMMAND...
    "$@" &
    wait "$!"
}

pause() { interruptibly sleep "$1"; } # SECONDS

await() { # COMMAND...: one that watches the cluster until something has happened
    if [ -n "$dry_run" ]; then show "$@"; return; fi
    interruptibly kubectl --namespace "$namespace" "$@" >/dev/null
}

retry() { # SECONDS COMMAND...
    local deadline=$((SECONDS + $1))
    until "${@:2}"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        pause 1
    done
}

field() { k get "$1" "$2" --output "jsonpath=$3"; } # KIND NAME JSONPATH

# --- what runs

deployment() { if [ "$1" = blue ]; then echo aegis-api; else echo aegis-api-green; fi; } # COLOR

other() { if [ "$1" = blue ]; then echo green; else echo blue; fi; } # COLOR

serving_color() { field service "$SERVICE" '{.spec.selector.aegis-rag/color}'; }

image() { field deployment "$1" '{.spec.template.spec.containers[0].image}'; } # DEPLOYMENT

container() { field deployment "$1" '{.spec.template.spec.containers[0].name}'; } # DEPLOYMENT

pods() { # COLOR: the names of those that are not being ended
    k get pods --selector "app.kubernetes.io/component=api,aegis-rag/color=$1" --output \
        'jsonpath={range .items[*]}{.metadata.name}{" "}{.metadata.deletionTimestamp}{"\n"}{end}' | awk 'NF == 1'
}

restarts() { # COLOR
    k get pods --selector "app.kubernetes.io/component=api,aegis-rag/color=$1" --output \
        'jsonpath={range .items[*]}{range .status.containerStatuses[*]}{.restartCount}{"\n"}{end}{end}' |
        awk '{ sum += $1 } END { print sum + 0 }'
}

# The Deployments that both colours share, with container and image: readers of messages first, then what sends them.
parts() {
    k get deployments --output \
        'jsonpath={range .items[*]}{.metadata.name} {.spec.template.spec.containers[0].name} {.spec.template.spec.containers[0].image}{"\n"}{end}' |
        awk '/^aegis-worker-/ { print 1, $0 } /^aegis-beat / { print 2, $0 } /^aegis-flower / { print 3, $0 }' |
        sort | cut -d' ' -f2-
}

pinned() { # IMAGE VERSION: that image in that version
    local name=${1%@*}
    case ${name##*/} in *:*) name=${name%:*} ;; esac
    case $2 in sha256:*) echo "$name@$2" ;; *) echo "$name:$2" ;; esac
}

part_version() { # DEPLOYMENT: the version it gets; empty: it stays as it is
    case $1 in
        aegis-worker-*) echo "$worker" ;;
        aegis-beat) echo "$beat" ;;
        aegis-flower) echo "$flower" ;;
    esac
}

# --- one run at a time

take_lock() {
    [ -z "$dry_run" ] || return 0
    local now answer
    now=$(date -u +%Y-%m-%dT%H:%M:%S.000000Z)
    answer=$(k create --filename - 2>&1 >/dev/null <<END
{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "$LOCK"},
 "spec": {"holderIdentity": "$holder", "acquireTime": "$now"}}
END
    ) && return
    case $answer in *AlreadyExists*) refuse_second_run ;; esac
    fail 1 "the lock cannot be taken, so nothing was changed: $answer"
}

refuse_second_run() {
    local who since
    who=$(field lease "$LOCK" '{.spec.holderIdentity}') || who=unknown
    since=$(field lease "$LOCK" '{.spec.acquireTime}') || since=unknown
    fail 1 "another run holds the lock: $who, since $since. Wait for its end;" \
        "if it has ended without releasing the lock: $0 --namespace $namespace --unlock"
}

release_lock() {
    [ -z "$dry_run" ] || return 0
    local who
    who=$(k get lease "$LOCK" --ignore-not-found --output 'jsonpath={.spec.holderIdentity}') || return 1
    [ "$who" != "$holder" ] || k delete lease "$LOCK" >/dev/null
}

remove_lock() {
    change delete lease "$LOCK"
    say "the lock is removed"
}

# --- steps

set_image() { # DEPLOYMENT IMAGE
    change set image "deployment/$1" "$(container "$1")=$2"
}

scale() { change scale "deployment/$1" --replicas "$2"; } # DEPLOYMENT REPLICAS

await_rollout() { await rollout status "deployment/$1" --timeout "${timeout}s"; } # DEPLOYMENT

start_next() {
    local name
    name=$(deployment "$next")
    phase=started
    if [ -n "$version" ]; then
        set_image "$name" "$(pinned "$(image "$name")" "$version")"
    fi
    scale "$name" "$replicas"
    say "$next: waiting for $replicas pods of $(image "$name")"
    await_rollout "$name" || fail_start "$name"
}

# As many pods as serve now: an autoscaler may have changed that meanwhile.
match_replicas() {
    local name now
    name=$(deployment "$next")
    now=$(field deployment "$(deployment "$active")" '{.spec.replicas}')
    [ "$now" -gt "$replicas" ] || return 0
    replicas=$now
    scale "$name" "$replicas"
    say "$next: waiting for $replicas pods"
    await_rollout "$name" || fail_start "$name"
}

fail_start() { # DEPLOYMENT
    complain "$next: $1 did not come up within $timeout s; its pods:"
    k get pods --selector "app.kubernetes.io/component=api,aegis-rag/color=$next" >&2 || true
    k logs --selector "app.kubernetes.io/component=api,aegis-rag/color=$next" --tail 5 --prefix >&2 || true
    exit 1
}

healthy() { # PATH of a pod or service, below the namespace; sets why where it is not
    why=$(ask "$1:$PORT/proxy/health/live" 2>&1 >/dev/null) &&
        why=$(ask "$1:$PORT/proxy/health/ready?component=broker" 2>&1 >/dev/null)
}

probe_next() {
    if [ -n "$dry_run" ]; then return; fi
    local pod
    for pod in $(pods "$next"); do
        retry 30 healthy "pods/$pod" || fail 1 "$next: $pod is not healthy, asked through the API server: $why"
    done
    retry 30 healthy "services/aegis-api-$next" || fail 1 "$next: Service aegis-api-$next leads to no healthy pod: $why"
    say "$next: every pod is healthy"
}

run_smoke() {
    [ -n "$smoke" ] || return 0
    local job="$smoke-$next-$$"
    change create job "$job" "--from=cronjob/$smoke"
    await wait --for=condition=complete "job/$job" --timeout "${timeout}s" ||
        fail 1 "$next: job $job did not succeed: kubectl --namespace $namespace logs job/$job"
    say "$next: job $job succeeded"
}

# A message must find readers that know it, so workers are never older than the API that takes calls:
# they go before the switch on the way forward, and after it on the way back.
update_parts() {
    local present part container image version wanted changed=''
    present=$(parts)
    remember_parts "$present"
    while read -r part container image; do
        version=$(part_version "$part")
        [ -n "$version" ] || continue
        wanted=$(pinned "$image" "$version")
        [ "$image" != "$wanted" ] || continue
        change set image "deployment/$part" "$container=$wanted" </dev/null
        changed="$changed $part"
    done <<<"$present"
    await_parts "$changed" || fail 1 "workers: a rollout did not end within $timeout s"
}

await_parts() { # DEPLOYMENTS
    local part
    for part in $1; do
        say "workers: waiting for $part"
        await_rollout "$part" || return 1
    done
}

remember_parts() { # PARTS, on the colour that they serve now
    phase=updated
    change annotate --overwrite "deployment/$(deployment "$active")" \
        "$PARTS=$(awk '{ printf "%s%s=%s", sep, $1, $3; sep = " " }' <<<"$1")"
}

remembered_parts() { # COLOR
    field deployment "$(deployment "$1")" '{.metadata.annotations.aegis-rag/parts}'
}

# The colour that serves remembers nothing, so --back leads to the one that served before it, and nowhere else.
forget_parts() { change annotate "deployment/$(deployment "$next")" "$PARTS-"; }

restore_parts() { # COLOR: the images that its Deployment remembers
    local remembered part container image changed=''
    remembered=" $(remembered_parts "$1") " || return 1
    while read -r part container image; do
        [[ $remembered =~ \ "$part"=([^ ]+)\  ]] || continue
        [ "$image" != "${BASH_REMATCH[1]}" ] || continue
        change set image "deployment/$part" "$container=${BASH_REMATCH[1]}" </dev/null || return 1
        changed="$changed $part"
    done <<<"$(parts)"
    await_parts "$changed"
}

switch() { # FROM TO: fails, and changes nothing, when the Service does not lead to FROM
    local path=/spec/selector/aegis-rag~1color
    change patch service "$SERVICE" --type json --patch \
        '[{"op":"test","path":"'$path'","value":"'"$1"'"},{"op":"replace","path":"'$path'","value":"'"$2"'"}]'
}

# An answer that was lost says nothing, so phase stays: the way back looks where the traffic goes.
# A refusal says that somebody else has switched: what they chose is left alone.
switch_to_next() {
    local answer
    phase=switched
    answer=$(switch "$active" "$next" 2>&1) && { printf '%s' "${answer:+$answer$'\n'}"; return; }
    case $answer in *rejected* | *invalid*) phase=refused ;; esac
    fail 1 "$SERVICE could not be switched from $active to $next, it leads to $(serving_color): $answer"
}

# --- after the switch

counted_requests() { # COLOR: answers with 5xx and all answers of its pods, without those to probes
    local pod
    for pod in $(pods "$1"); do
        ask "pods/$pod:$PORT/proxy/metrics" 2>/dev/null || return 1
    done | awk '
        /^http_requests_total[{]/ && !/handler="\/(health|metrics)/ { all += $NF; if (/status="5/) errors += $NF }
        END { printf "%d %d\n", errors, all }'
}

is_worse() { # ERRORS ALL, then the same of the old colour
    awk -v errors="$1" -v all="$2" -v old_errors="$3" -v old_all="$4" -v most="$MOST_ERRORS" -v more="$MORE_PERCENT" '
        function share(part, whole) { return whole > 0 ? 100 * part / whole : 0 }
        BEGIN { exit !(errors >= most && share(errors, all) > share(old_errors, old_all) + more) }'
}

pod_counts() { # wanted and ready ones of the new colour
    field deployment "$(deployment "$next")" '{.spec.replicas} {.status.readyReplicas}{"\n"}'
}

trouble() { # RESTARTS, then ERRORS ALL at the switch, then those of the old colour; prints what is wrong
    local ready wanted now
    read -r wanted ready < <(retry 20 pod_counts) || { echo "the cluster tells nothing of its pods"; return; }
    [ "$wanted" -le "$replicas" ] || wanted=$replicas
    [ "${ready:-0}" -ge "$wanted" ] || { echo "${ready:-0} of $wanted pods are ready"; return; }
    [ "$(restarts "$next")" -le "$1" ] || { echo "a pod was restarted"; return; }
    [ $# -gt 1 ] && now=$(counted_requests "$next") || return 1
    # shellcheck disable=SC2086  # two numbers
    set -- "$@" $now
    is_worse $(($6 - $2)) $(($7 - $3)) "$4" "$5" || return 1
    echo "$(($6 - $2)) of $(($7 - $3)) requests were answered with 5xx"
}

watch_next() { # the arguments of trouble
    [ -z "$dry_run" ] || return 0
    local deadline=$((SECONDS + watch)) what
    say "$next: watching for $watch s"
    while [ "$SECONDS" -lt "$deadline" ]; do
        if what=$(trouble "$@"); then fail 3 "$next: $what"; fi
        pause 2
    done
}

switch_and_watch() {
    local before='' old=''
    if ! { before=$(counted_requests "$next") && old=$(counted_requests "$active"); }; then
        say "/metrics cannot be read, so only readiness and restarts are watched"
        before='' old=''
    fi
    local restarted
    restarted=$(restarts "$next")
    switch_to_next
    say "traffic goes to $next"
    # shellcheck disable=SC2086  # two numbers each, or none
    watch_next "$restarted" $before $old
    phase=proven
}

drain_old() {
    say "$active: draining for $drain s"
    if [ -z "$dry_run" ]; then pause "$drain"; fi
    scale "$(deployment "$active")" 0
}

# --- the end, however it comes

stop_waiting() {
    local child
    for child in $(jobs -p); do kill "$child" 2>/dev/null || true; done
    wait
}

# The Service itself says where the traffic goes: a run may have been interrupted in the middle of the switch.
go_back() {
    local serving
    serving=$(serving_color) || return 1
    if [ "$phase" = switched ] && [ "$serving" = "$next" ]; then
        switch "$next" "$active" || return 1
        say "traffic goes back to $active"
        serving=$active
    fi
    [ "$serving" != "$next" ] || return 0
    case $action-$phase in
        forward-started | back-*) ;;
        *) restore_parts "$active" || return 1 ;;
    esac
    set_image "$(deployment "$next")" "$idle_image" && scale "$(deployment "$next")" "$idle_replicas"
}

finish() {
    local status=$?
    trap '' INT TERM
    stop_waiting
    case $status-$phase in
        0-* | *-begun | *-proven) ;;
        *) go_back || { status=4; complain "the way back failed. Look at: kubectl --namespace $namespace get services,deployments --output wide"; } ;;
    esac
    release_lock || complain "the lock could not be released: $0 --namespace $namespace --unlock"
    if [ "$status" -ne 0 ]; then complain "ended with status $status; traffic goes to $(serving_color || echo '?')"; fi
    exit "$status"
}

# --- arguments

is_version() { [[ $1 =~ ^(sha256:[0-9a-f]{64}|[A-Za-z0-9_][A-Za-z0-9._-]{0,127})$ ]]; }

take_option() { # NAME VALUE
    case $1 in
        --timeout | --watch | --drain) [[ $2 =~ ^[0-9]{1,6}$ ]] || fail 2 "$1 takes seconds, not '$2'" ;;
        --worker | --beat | --flower) is_version "$2" || fail 2 "$1 takes a tag or sha256:…, not '$2'" ;;
    esac
    printf -v "${1#--}" %s "$2"
}

parse_arguments() { # ARGUMENTS...
    while [ $# -gt 0 ]; do
        case $1 in
            --help | -h) print_help; exit ;;
            --dry-run) dry_run=yes ;;
            --back | --unlock) action=${1#--} ;;
            --namespace | --timeout | --watch | --drain | --smoke | --worker | --beat | --flower)
                [ $# -gt 1 ] || fail 2 "$1 takes a value"
                take_option "$1" "$2"
                shift ;;
            -*) fail 2 "there is no option $1; $0 --help lists them" ;;
            *)
                [ -z "$version" ] || fail 2 "one VERSION, not '$version' and '$1'"
                is_version "$1" || fail 2 "'$1' is no tag and no sha256:…"
                version=$1 ;;
        esac
        shift
    done
    if [ "$action" = forward ]; then [ -n "$version" ] || fail 2 "VERSION is missing; $0 --help shows how"
    else [ -z "$version" ] || fail 2 "--$action takes no VERSION"; fi
}

default_versions() {
    case $version in sha256:*) return ;; esac
    worker=${worker:-$version} beat=${beat:-$version} flower=${flower:-$version}
}

find_colors() {
    active=$(serving_color) || fail 1 "Service $SERVICE cannot be read in namespace $namespace"
    case $active in
        blue | green) next=$(other "$active") ;;
        *) fail 1 "Service $SERVICE selects no colour. Choose the one that serves:" \
            "kubectl --namespace $namespace patch service $SERVICE --patch '{\"spec\":{\"selector\":{\"aegis-rag/color\":\"blue\"}}}'" ;;
    esac
    replicas=$(field deployment "$(deployment "$active")" '{.spec.replicas}')
    idle_replicas=$(field deployment "$(deployment "$next")" '{.spec.replicas}')
    idle_image=$(image "$(deployment "$next")")
    if [ "$action" = back ] && [ -z "$(remembered_parts "$next")" ]; then
        fail 1 "$next did not serve before $active, so nothing leads back to it: name a VERSION"
    fi
    [ "${replicas:-0}" -gt 0 ] || fail 1 "$active serves with 0 pods: kubectl --namespace $namespace scale deployment/$(deployment "$active") --replicas 3"
}

main() {
    parse_arguments "$@"
    if [ "$action" = unlock ]; then remove_lock; return; fi
    default_versions
    trap finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    take_lock
    find_colors
    start_next
    probe_next
    if [ "$action" = forward ]; then update_parts; fi
    run_smoke
    match_replicas
    switch_and_watch
    drain_old
    if [ "$action" = back ]; then restore_parts "$next" || fail 1 "workers: a rollout did not end within $timeout s"; fi
    forget_parts
    say "$next serves"
}

main "$@"
