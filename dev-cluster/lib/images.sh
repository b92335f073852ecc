# shellcheck shell=bash
# Images: built from images/, kept as archives by content, and loaded into every node.

# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/sid.sh"

IMAGES=$CACHE/images
# Stand-ins, under the official names. What is said of an image here goes by the last part of its name.
ENGINES=(mysql:9.7 nginx:1.30 redis:8.0 docker.io/apache/kafka:4.4.0
    ghcr.io/ferretdb/postgres-documentdb:17-0.107.0-ferretdb-2.7.0 ghcr.io/ferretdb/ferretdb:2.7.0)
OURS=(chatbot chatbot-operator groq-mock) # each a program of the workspace
SYSTEM=(pause coredns metrics-server local-path-provisioner)
# What our images hold: `dev` is compiled for the tests anyway; `release` is compiled again, and twice as fast where it counts.
PROFILE=${PROFILE:-dev}
RUST_OUT=$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/${PROFILE/#dev/debug}

with_buildah() {
    BUILDAH_ISOLATION=chroot nice -n 5 buildah --root "$CACHE/containers/root" \
        --runroot "$CACHE/containers/run" --storage-driver overlay "$@"
}

# An image's name and tag as containerd has it: those without a registry are Docker Hub's.
full_ref() { # IMAGE
    case $1 in
    */*) echo "$1" ;;
    *) echo "docker.io/library/$1" ;;
    esac
}

# The short name of an image, by which its archive and root file system are kept.
short_name() { # IMAGE
    local base=${1##*/}
    echo "${base%:*}"
}

# Builds a context into an archive of that image; the last line printed is the archive.
build_archive() { # IMAGE DOCKERFILE CONTEXT KEY
    local image=$1 dockerfile=$2 context=$3 name ref archive
    name=$(short_name "$image")
    ref=$(full_ref "$image")
    archive=$IMAGES/$name-$4.tar
    if [[ ! -e $archive ]]; then
        mkdir -p "$IMAGES"
        if [[ $(cluster_kind) == kind ]]; then
            docker build -q -f "$dockerfile" -t "$image" "$context"
            docker save -o "$archive.new" "$image"
        else
            # Builds take turns: the store is one.
            exec 9>"$IMAGES/.lock"
            flock 9
            with_buildah bud -q -f "$dockerfile" -t "$ref" "$context"
            rm -f "$archive.new"
            with_buildah push -q "$ref" "docker-archive:$archive.new:$ref"
            with_buildah rmi -f "$ref"
            exec 9>&-
        fi
        mv "$archive.new" "$archive"
    fi
    echo "$image" >"$archive.ref"
    ln -sfn "${archive##*/}" "$IMAGES/$name.current"
    touch "$archive"
    # The last few stay, so that going back to another branch is quick.
    find "$IMAGES" -name "$name-????????????.tar" -printf '%T@ %p\n' | sort -rn | tail -n +4 | cut -d' ' -f2 |
        while read -r archive; do rm -f "$archive" "$archive.ref"; done
}

# The image built last under a short name, by content: NAME:dev-HASH, or an engine's own name and tag.
image_ref() { # NAME
    cat "$IMAGES/$(readlink "$IMAGES/$1.current").ref"
}

context_key() { # DOCKERFILE CONTEXT
    { cat "$1"; (cd "$2" && find . -type f -print0 | sort -z | xargs -0 sha256sum); } | digest
}

build_static() { # NAME DOCKERFILE CONTEXT
    local key
    key=$(context_key "$2" "$3")
    build_archive "$1:dev-$key" "$2" "$3" "$key"
}

build_system_images() {
    local name context
    for name in "${SYSTEM[@]}"; do
        context=$(mktemp -d)
        cp -L "$CACHE/bin/$name" "$context/program"
        build_static "$name" "$ROOT/images/system/Dockerfile" "$context"
        rm -rf "$context"
    done
    context=$(mktemp -d)
    cp "$CACHE/programs/busybox-sid/usr/bin/busybox" "$context/busybox"
    build_static busybox "$ROOT/images/busybox/Dockerfile" "$context"
    rm -rf "$context"
}

# The root file system of an engine's stand-in, at $CACHE/rootfs/NAME-TAG: tests start the engine from it. It is made of
# Debian packages, or of the Go module of the same name.
build_rootfs() { # NAME TAG
    local definition=$ROOT/images/stand-ins/$1 target=$CACHE/rootfs/$1-$2 program='' work key
    if [[ -d $ROOT/dev-cluster/go/$1 ]]; then
        (build_go "$1")
        program=$(module_target "$1")/$1
    fi
    key=$({ cat "$definition"/* "$ROOT/images/stand-ins/trim" && echo -n "${program%/*}"; } | digest)
    if [[ -e $target && $(cat "$target.key" 2>/dev/null) == "$key" ]]; then return; fi
    mkdir -p "$CACHE/rootfs"
    work=$(mktemp -d "$CACHE/rootfs/.$1.XXXXXX")
    if [[ -e $definition/packages ]]; then
        nice -n 5 mmdebstrap --mode=root --variant=extract --format=directory \
            --aptopt='Acquire::Check-Valid-Until "false"' \
            --include="$(paste -sd, "$definition/packages")" \
            sid "$work/root" "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(sid_mirror) sid main"
        "$ROOT/images/stand-ins/trim" "$work/root"
    fi
    "$definition/prepare" "$work/root" "$program"
    if [[ -e $definition/packages ]]; then chroot "$work/root" ldconfig; fi
    rm -rf "$target"
    mv "$work/root" "$target"
    rmdir "$work"
    echo "$key" >"$target.key"
}

build_engine_images() {
    local image name tag context key
    for image in "${ENGINES[@]}"; do
        name=$(short_name "$image") tag=${image##*:}
        build_rootfs "$name" "$tag"
        key=$({ cat "$CACHE/rootfs/$name-$tag.key" "$ROOT/images/stand-ins/$name/Dockerfile"; } | digest)
        if [[ -e $IMAGES/$name-$key.tar ]]; then context=/; else
            context=$(mktemp -d "$CACHE/context.XXXXXX")
            tar -C "$CACHE/rootfs/$name-$tag" --numeric-owner --exclude='./tmp/*' -cf "$context/rootfs.tar" .
        fi
        build_archive "$image" "$ROOT/images/stand-ins/$name/Dockerfile" "$context" "$key"
        if [[ $context != / ]]; then rm -rf "$context"; fi
    done
}

compile_rust() {
    nice -n 5 cargo build --locked --workspace --bins --profile "$PROFILE" --manifest-path "$ROOT/Cargo.toml"
}

build_our_images() {
    local name context
    for name in "${OURS[@]}"; do
        context=$(mktemp -d)
        strip -o "$context/$name" "$RUST_OUT/$name"
        cp "$ROOT"/images/{passwd,group} "$context/"
        cp -L /etc/ssl/certs/ca-certificates.crt "$context/"
        build_static "$name" "$ROOT/images/$name/Dockerfile" "$context"
        rm -rf "$context"
    done
}

# Loads the image built last into a node, under its own name, `NAME:dev` and more tags.
load_into_node() { # N NAME [TAG…]
    local n=$1 name=$2 archive ref tag marker
    shift 2
    archive=$(readlink "$IMAGES/$name.current")
    ref=$(full_ref "$(image_ref "$name")")
    marker=$(node_dir "$n")/images/$archive
    if [[ -e $marker ]]; then return; fi
    node_ctr "$n" images import "$IMAGES/$archive" >/dev/null
    for tag in "$@"; do node_ctr "$n" images tag --force "$ref" "docker.io/library/$name:$tag" >/dev/null; done
    mkdir -p "${marker%/*}"
    touch "$marker"
}

load_images() { # NAME[,TAG…]…
    local n spec jobs=() job
    if [[ $(cluster_kind) == kind ]]; then
        for spec in "$@"; do load_into_kind "$spec"; done
        return
    fi
    for n in $(existing_nodes); do
        for spec in "$@"; do
            IFS=, read -ra spec <<<"$spec"
            load_into_node "$n" "${spec[@]}"
        done &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job"; done
}

load_engine_images() {
    local image names=()
    for image in "${ENGINES[@]}"; do names+=("$(short_name "$image")"); done
    load_images "${names[@]}"
}

load_into_kind() { # NAME[,TAG…]
    local name ref tag
    IFS=, read -ra spec <<<"$1"
    name=${spec[0]}
    ref=$(image_ref "$name")
    docker image inspect "$ref" >/dev/null 2>&1 || docker load -i "$IMAGES/$(readlink "$IMAGES/$name.current")"
    kind load docker-image --name chatbot "$ref"
    for tag in "${spec[@]:1}"; do
        docker tag "$ref" "$name:$tag"
        kind load docker-image --name chatbot "$name:$tag"
    done
}
