# shellcheck shell=bash
# Processes that outlive the command that starts them: each has a pid file and a log.

# A pid file holds the pid and the start time (field 22 of /proc/PID/stat), so that a pid that
# the kernel gave to another program is never taken for ours.
start_time() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }
    cut -d' ' -f20 <<<"$stat"
}

running() { # NAME
    local pid since
    read -r pid since 2>/dev/null <"$STATE/pids/$1" || return 1
    [[ $(start_time "$pid") == "$since" ]] && ! grep -q '^State:\s*Z' "/proc/$pid/status"
}

# launch NAME COMMAND…: starts it in a session of its own, holding no pipe of the caller.
launch() {
    local name=$1 pid fd
    shift
    mkdir -p "$STATE/pids" "$LOGS"
    (
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            if ((fd > 2)); then eval "exec $fd>&-"; fi
        done
        exec setsid "$@" </dev/null >>"$LOGS/$name.log" 2>&1
    ) &
    pid=$!
    echo "$pid $(start_time "$pid")" >"$STATE/pids/$name"
}

# ensure NAME COMMAND…: launches it unless it runs.
ensure() {
    running "$1" || launch "$@"
}

# halt NAME [SECONDS]: asks it to end, then ends it.
halt() {
    local name=$1 limit=$((SECONDS + ${2:-10})) pid
    if running "$name"; then
        read -r pid _ <"$STATE/pids/$name"
        kill "$pid"
        while running "$name"; do
            if ((SECONDS >= limit)); then kill -9 "$pid" || true; fi
            sleep 0.1
        done
    fi
    rm -f "$STATE/pids/$name"
}
