# shellcheck shell=bash
# Reads Debian sid beside the machine's own Debian, from the mirror that the machine already uses.

sid_mirror() {
    sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' \
        /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | grep -m1 debian
}

# apt with lists of its own, so that the machine's packages stay on its release. sid's Release file
# may be past its date on a mirror.
sid_apt() { # apt-get|apt-cache ARGUMENTS…
    local dir=$CACHE/sid program=$1
    shift
    mkdir -p "$dir/lists/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(sid_mirror) sid main" >"$dir/sources.list"
    "$program" -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::Lists="$dir/lists" -o Acquire::Check-Valid-Until=false \
        -o APT::Sandbox::User=root "$@"
}

# Unpacks the packages into the cache folder of that name, once.
sid_unpack() { # NAME PACKAGE…
    local target=$CACHE/programs/$1 work
    shift
    if [[ -e $target ]]; then return; fi
    work=$(mktemp -d "$CACHE/unpack.XXXXXX")
    sid_apt apt-get -qq update
    (cd "$work" && sid_apt apt-get download "$@")
    local deb
    for deb in "$work"/*.deb; do dpkg -x "$deb" "$work/root"; done
    mkdir -p "$CACHE/programs"
    mv "$work/root" "$target"
    rm -rf "$work"
}
