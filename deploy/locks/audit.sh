#!/bin/sh
# Asks for known vulnerabilities of every locked package: deploy/locks/audit.sh
# pip-audit is silent when no advisory can be had, so a release with known ones is asked for first:
# unless they are named, nothing was checked, and the audit fails.
set -eu
cd "$(dirname "$0")/../.."
: "${UV:=.venv/bin/uv}"

say() { printf '%s\n' "audit: $*" >&2; }

audit() { "$UV" tool run --quiet pip-audit==2.10.1 --disable-pip --progress-spinner off "$@"; }

known=$(mktemp "${TMPDIR:-/tmp}/aegis-audit.XXXXXX")
trap 'rm -f "$known"' EXIT
echo 'jinja2==2.4.1' >"$known"
if ! audit --no-deps --requirement "$known" 2>/dev/null | grep -Eq 'CVE-|GHSA-|PYSEC-'; then
    say "no advisory can be had from here: nothing was checked"
    exit 1
fi
status=0
for lock in requirements.lock deploy/locks/*.lock bench/peers/requirements.txt; do
    say "$lock"
    audit --require-hashes --requirement "$lock" || status=1
done
exit "$status"
