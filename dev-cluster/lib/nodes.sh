# shellcheck shell=bash
# A node: network and mount namespaces, cgroups, containerd, kubelet and kube-proxy of its own.

# Mounts that belong to the node alone. What programs expect at fixed paths (pod logs, the device
# plugins' socket, the shims' sockets) is the node's own folder there.
make_node_mounts() { # N
    local dir path
    dir=$(node_dir "$1")
    mkdir -p "$dir/ns"
    # A mount namespace can only be kept in a file whose own mount is private.
    if ! mountpoint -q "$dir/ns"; then
        mount --bind "$dir/ns" "$dir/ns"
        mount --make-private "$dir/ns"
    fi
    if mountpoint -q "$dir/ns/mnt"; then return; fi
    touch "$dir/ns/mnt"
    mkdir -p "$dir"/{containerd,run,kubelet,logs,pods,volumes,images,netns}
    for path in /var/lib/kubelet /var/log/containers /var/log/pods /run/containerd /var/lib/chatbot-volumes; do
        if [[ ! -d $path ]]; then
            mkdir -p "$path"
            echo "$path" >>"$STATE/made-directories"
        fi
    done
    # shellcheck disable=SC2016 # expanded inside
    unshare --mount="$dir/ns/mnt" --propagation=private bash -ec '
        mount --make-rshared /
        mount --bind "$0/kubelet" /var/lib/kubelet
        mount --bind "$0/logs" /var/log/containers
        mount --bind "$0/pods" /var/log/pods
        mount --bind "$0/run" /run/containerd
        mount --bind "$0/netns" /run/netns
        mount --bind "$0/volumes" /var/lib/chatbot-volumes
    ' "$dir"
}

# The roots of the cgroup hierarchies: one with version 2, many with version 1.
cgroup_roots() {
    local root
    if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
        echo /sys/fs/cgroup
        return
    fi
    for root in /sys/fs/cgroup/*; do
        if [[ -d $root && ! -L $root ]] && mountpoint -q "$root"; then echo "$root"; fi
    done
}

# kubelet makes the pods' cgroups below this one, in every hierarchy.
make_node_cgroups() { # N
    local root file group
    for root in $(cgroup_roots); do
        group=$root$(node_cgroup "$1")
        mkdir -p "$group"
        for file in cpuset.cpus cpuset.mems; do # version 1 starts them empty
            if [[ -e $root/$file && -e $group/$file ]]; then cat "$root/$file" >"$group/$file"; fi
        done
        if [[ $root == /sys/fs/cgroup ]]; then
            sed 's/\([a-z_]*\) */+\1 /g' "$root/cgroup.controllers" | tee "$root/cgroup.subtree_control" >"$group/cgroup.subtree_control"
        fi
    done
}

write_containerd_config() { # N
    local dir
    dir=$(node_dir "$1")
    mkdir -p "$dir/cni"
    cat >"$dir/containerd.toml" <<END
version = 3
root = "$dir/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs"]
[grpc]
  address = "$dir/containerd.sock"
[plugins.'io.containerd.nri.v1.nri']
  disable = true
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "docker.io/library/pause:dev"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["$CACHE/programs/node-sid/usr/lib/cni"]
  conf_dir = "$dir/cni"
[plugins.'io.containerd.cri.v1.runtime'.containerd]
  default_runtime_name = "runc"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = "/usr/sbin/runc"
  SystemdCgroup = false
END
    cat >"$dir/cni/10-bridge.conflist" <<END
{
  "cniVersion": "1.0.0",
  "name": "chatbot-node$1",
  "plugins": [{
    "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": false,
    "ipam": {
      "type": "host-local", "dataDir": "$dir/ipam",
      "ranges": [[{"subnet": "$(node_pods "$1")"}]],
      "routes": [{"dst": "0.0.0.0/0"}]
    }
  }]
}
END
}

write_kubelet_config() { # N
    local dir name
    dir=$(node_dir "$1")
    name=$(node_name "$1")
    echo "search cluster.local" >"$dir/resolv.conf"
    # Three kubelets share one machine: without the system's share each would offer all of it.
    cat >"$dir/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $(node_ip "$1")
healthzBindAddress: 127.0.0.1
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $PKI/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: $PKI/$name.crt
tlsPrivateKeyFile: $PKI/$name.key
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: $(node_cgroup "$1")
failSwapOn: false
enforceNodeAllocatable: []
containerRuntimeEndpoint: unix://$dir/containerd.sock
resolvConf: $dir/resolv.conf
clusterDNS: [$DNS_IP]
clusterDomain: cluster.local
serializeImagePulls: false
# There is no registry to get a collected image back from.
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
nodeStatusUpdateFrequency: 4s
nodeLeaseDurationSeconds: 8
containerLogMaxSize: 20Mi
END
}

start_containerd() { # N
    ensure_in_node "$1" "containerd-node$1" "$CACHE/bin/containerd" --config "$(node_dir "$1")/containerd.toml"
}

node_ctr() { # N ARGUMENTS…
    local n=$1
    shift
    ctr --address "$(node_dir "$n")/containerd.sock" --namespace k8s.io "$@"
}

start_kubelet() { # N
    ensure_in_node "$1" "kubelet-node$1" "$CACHE/bin/kubelet" \
        --config="$(node_dir "$1")/kubelet.yaml" \
        --kubeconfig="$PKI/$(node_name "$1").kubeconfig" \
        --hostname-override="$(node_name "$1")" --node-ip="$(node_ip "$1")" --v=1
}

start_kube_proxy() { # N
    # conntrack's size belongs to the host, which this must not change.
    ensure_in_node "$1" "kube-proxy-node$1" "$CACHE/bin/kube-proxy" \
        --kubeconfig="$PKI/proxy.kubeconfig" --hostname-override="$(node_name "$1")" \
        --proxy-mode=nftables --cluster-cidr="$POD_CIDR" \
        --conntrack-max-per-core=0 --metrics-bind-address=127.0.0.1:10249 --healthz-bind-address="$(node_ip "$1"):10256"
}

make_nodes() {
    local n
    guard_block
    if [[ ! -e /proc/sys/net/bridge ]]; then modprobe br_netfilter; fi
    make_bridge
    if [[ ! -d /run/netns ]]; then echo /run/netns >>"$STATE/made-directories"; fi
    for n in $(seq "$NODES"); do
        make_node_network "$n"
        make_node_mounts "$n"
        make_node_cgroups "$n"
        write_containerd_config "$n"
        write_kubelet_config "$n"
        start_containerd "$n"
    done
    for n in $(seq "$NODES"); do
        await 30 "containerd of node $n" node_ctr "$n" version || { tail -n 15 "$LOGS/containerd-node$n.log"; return 1; }
    done
}

start_nodes() {
    local n
    for n in $(seq "$NODES"); do
        start_kubelet "$n"
        start_kube_proxy "$n"
    done
}

# What a node still runs: its containers are in its cgroups, their shims in its mount namespace.
node_pids() { # N
    local inode link pid root
    for root in $(cgroup_roots); do
        find "$root$(node_cgroup "$1")" -name cgroup.procs -exec cat {} + 2>/dev/null || true
    done
    if ! mountpoint -q "$(node_dir "$1")/ns/mnt"; then return; fi
    inode=$(stat -c %i "$(node_dir "$1")/ns/mnt")
    for link in /proc/[0-9]*/ns/mnt; do
        if [[ $(readlink "$link" 2>/dev/null) == "mnt:[$inode]" ]]; then
            pid=${link#/proc/}
            echo "${pid%%/*}"
        fi
    done
}

stop_containers() {
    local n tries pids
    for n in $(existing_nodes); do
        for tries in {1..50}; do
            pids=$(node_pids "$n" | sort -u)
            if [[ -z $pids ]]; then break; fi
            # shellcheck disable=SC2086 # one pid a word
            kill -9 $pids 2>/dev/null || true
            sleep 0.1
        done
        [[ -z $pids ]] || { echo "node $n still runs $pids after $tries tries"; return 1; }
    done
}
