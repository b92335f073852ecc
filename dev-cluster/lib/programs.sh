# shellcheck shell=bash
# The programs of the cluster: built with Go from the modules in go/, or taken from Debian sid;
# kept in the cache by the content that made them, and linked into $CACHE/bin.

# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/sid.sh"

GO_MODULES=(pause metrics-server coredns local-path-provisioner kubernetes)
SYSTEM_PACKAGES=(buildah ca-certificates conntrack debian-archive-keyring docker-compose iproute2 jq mmdebstrap nftables openssl procps runc shellcheck
    g++ libssl-dev make pkg-config # the Kafka client is C
    maven)                         # gets Kafka's jars

install_packages() {
    local missing=() package
    for package in "${SYSTEM_PACKAGES[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    # Any Node of this decade runs the page's tests.
    command -v node >/dev/null || missing+=(nodejs)
    if ((${#missing[@]} == 0)); then return 3; fi
    exec 8>"$CACHE/.apt.lock" # `up` does several things side by side
    flock 8
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

link_programs() { # DIRECTORY: every program in it gets its name in $CACHE/bin
    local program name
    mkdir -p "$CACHE/bin"
    for program in "$1"/*; do
        name=${program##*/}
        if [[ $(readlink "$CACHE/bin/$name" || true) != "$program" ]]; then
            ln -s "$program" "$CACHE/bin/.$name.$$"
            mv -T "$CACHE/bin/.$name.$$" "$CACHE/bin/$name"
        fi
    done
}

kubernetes_version_flags() {
    local version minor package flags=
    version=$(sed -n 's/^require k8s.io\/kubernetes //p' go.mod)
    minor=${version#v1.}
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1"
        flags+=" -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean"
    done
    echo "$flags"
}

# Where a module's programs are, by the content of its files.
module_target() { # MODULE
    local key
    key=$(cd "$ROOT/dev-cluster/go/$1" && find . -type f ! -name '*_test.go' -print0 | sort -z | xargs -0 cat | digest)
    echo "$CACHE/programs/$1-$key"
}

# Builds what a module's `tool` lines name, or the module's own program.
build_go() { # MODULE
    local module=$1 target work flags='-s -w' what=tool
    cd "$ROOT/dev-cluster/go/$module" || return
    target=$(module_target "$module")
    if [[ ! -d $target ]]; then
        grep -q '^tool ' go.mod || what=.
        if [[ $module == kubernetes ]]; then flags+=$(kubernetes_version_flags); fi
        mkdir -p "$CACHE/programs"
        work=$(mktemp -d "$CACHE/programs/.$module.XXXXXX")
        CGO_ENABLED=0 nice -n 10 go build -v -mod=readonly -buildvcs=false -trimpath \
            -ldflags "$flags" -o "$work/" "$what"
        chmod 755 "$work"
        mv -T "$work" "$target"
    fi
    link_programs "$target"
}

all_built() {
    local module
    for module in "${GO_MODULES[@]}"; do
        [[ -d $(module_target "$module") ]] || return 1
    done
}

build_programs() {
    local module built=0
    if all_built; then built=3; fi
    for module in "${GO_MODULES[@]}"; do build_go "$module"; done
    return $built
}

fetch_node_programs() {
    local had=0
    if [[ -e $CACHE/programs/node-sid ]]; then had=3; fi
    sid_unpack node-sid containerd etcd-server containernetworking-plugins
    sid_unpack busybox-sid busybox-static
    link_programs "$CACHE/programs/node-sid/usr/bin"
    return $had
}
