# shellcheck shell=bash
# Paths, settings, and the way a step reports itself; sourced by every script of the dev cluster.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${CHATBOT_CACHE:-$HOME/.cache/chatbot-operator} # built things, by content: survives `make down`
STATE=${CHATBOT_STATE:-/var/lib/chatbot-dev}          # the running cluster: goes with `make down`
NODES=${NODES:-3}
LOGS=$STATE/logs
KUBECONFIG=$STATE/kubeconfig
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
PATH=$CACHE/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin
export CACHE STATE NODES KUBECONFIG CARGO_TARGET_DIR PATH
mkdir -p "$CACHE"

# Says which kind of cluster this machine gets: kind where Docker and kind are, else packages.
cluster_kind() {
    if [[ -n ${CLUSTER:-} ]]; then
        echo "$CLUSTER"
    elif command -v kind >/dev/null && docker info >/dev/null 2>&1; then
        echo kind
    else
        echo packages
    fi
}

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $1"
    shift
    for hint in "$@"; do say "  $hint"; done
    exit 1
}

require_root() {
    [[ $EUID -eq 0 ]] || die "this makes network namespaces and mounts, so it runs as root"
}

seconds() { # SINCE (a value of $EPOCHREALTIME): seconds passed, one decimal
    awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'
}

# Tells a person that waits how far a long step is: the last line of its log, every 30 s.
progress() { # WHAT SINCE LOG
    while sleep 30 >/dev/null 2>&1; do
        printf '  … %s, %.0f s: %.90s\n' "$1" "$(seconds "$2")" "$(tail -n 1 "$3" 2>/dev/null)" >&2
    done
}

# step WHAT COMMAND…: runs the command with its output in a log, says how long it took; when it
# fails, shows the end of the log. A command that returns 3 says that nothing was left to do.
step() {
    local what=$1 since=$EPOCHREALTIME log status ticker
    shift
    mkdir -p "$LOGS"
    log=$LOGS/step-$(tr -cs 'a-zA-Z0-9\n' '-' <<<"$what").log
    if [[ -t 2 ]]; then printf '%-52s …\r' "$what" >&2; fi
    progress "$what" "$since" "$log" &
    ticker=$!
    set +e # inside a condition bash would ignore errors in the command too
    (
        set -e
        "$@"
    ) </dev/null >"$log" 2>&1
    status=$?
    kill "$ticker" 2>/dev/null
    wait "$ticker" 2>/dev/null
    set -e
    case $status in
    0) printf '%-52s %6s s\n' "$what" "$(seconds "$since")" >&2 ;;
    3) printf '%-52s already done\n' "$what" >&2 ;;
    *)
        printf '%-52s FAILED after %s s\n' "$what" "$(seconds "$since")" >&2
        say "--- the end of $log"
        tail -n 25 "$log" >&2
        say "---"
        say "Run the same command again when the cause is gone: what is done is not done twice."
        say "'make status' shows what runs, 'make logs' the logs, 'make down' starts from nothing."
        exit 1
        ;;
    esac
}

# await SECONDS WHAT COMMAND…: runs the command until it succeeds.
await() {
    local limit=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= limit)); then
            echo "gave up waiting for $what; the last try said:"
            "$@" || true
            return 1
        fi
        sleep 0.3
    done
}

# The first 12 hex digits of the hash of what is read.
digest() { sha256sum | cut -c1-12; }

# The hash of files, by content and name below the checkout.
digest_files() { (cd "$ROOT" && sha256sum -- "$@") | digest; }
