# shellcheck shell=bash
# Addresses of the cluster, and the namespaces that its nodes are.
#
# Everything is inside 198.18.0.0/15 (set aside for tests, RFC 2544). The host answers for the whole
# block with an `unreachable` route, under the routes to the nodes: what no node has goes nowhere.
#   198.18.0.1          the host, on the bridge `chatbot0`
#   198.18.0.10+N       node N
#   198.18.(128+N).0/24 pods of node N
#   198.19.0.0/16       Services

# shellcheck disable=SC2034 # read by the scripts that source this
{
    BLOCK=198.18.0.0/15
    BRIDGE=chatbot0
    HOST_IP=198.18.0.1
    POD_CIDR=198.18.128.0/17
    SERVICE_CIDR=198.19.0.0/16
    API_SERVICE_IP=198.19.0.1
    DNS_IP=198.19.0.10
}

node_name() { echo "node$1"; }
node_ip() { echo "198.18.0.$((10 + $1))"; }
node_pods() { echo "198.18.$((128 + $1)).0/24"; }
node_netns() { echo "chatbot-node$1"; }
node_dir() { echo "$STATE/node$1"; }
node_cgroup() { echo "/chatbot-node$1"; }
API_IP=$(node_ip 1)

# Numbers of the nodes that exist.
existing_nodes() {
    local dir
    for dir in "$STATE"/node[0-9]*; do
        if [[ -d $dir ]]; then echo "${dir##*/node}"; fi
    done
}

# Keeps a program running inside a node: its network and its mounts. Not `ip netns exec`: that one
# mounts /sys anew, and kubelet finds no cgroups there.
ensure_in_node() { # N NAME COMMAND…
    local n=$1 name=$2
    shift 2
    ensure "$name" nsenter --net="/run/netns/$(node_netns "$n")" --mount="$(node_dir "$n")/ns/mnt" "$@"
}

guard_block() {
    ip route show exact "$BLOCK" | grep -q '^unreachable' || ip route add unreachable "$BLOCK"
}

make_bridge() {
    if ! ip link show "$BRIDGE" >/dev/null 2>&1; then
        ip link add "$BRIDGE" type bridge
        ip addr add "$HOST_IP/24" dev "$BRIDGE"
    fi
    ip link set "$BRIDGE" up
}

make_node_network() { # N
    local n=$1 ns veth peer
    ns=$(node_netns "$n")
    veth=chatbot-n$n
    if [[ ! -e /run/netns/$ns ]]; then ip netns add "$ns"; fi
    if ! ip link show "$veth" >/dev/null 2>&1; then
        ip link add "$veth" type veth peer name eth0 netns "$ns"
        ip link set "$veth" master "$BRIDGE"
        ip -n "$ns" addr add "$(node_ip "$n")/24" dev eth0
    fi
    ip link set "$veth" up
    ip -n "$ns" link set lo up
    ip -n "$ns" link set eth0 up
    ip -n "$ns" route replace unreachable "$BLOCK"
    for peer in $(seq "$NODES"); do
        if ((peer != n)); then
            ip -n "$ns" route replace "$(node_pods "$peer")" via "$(node_ip "$peer")"
        fi
    done
    # A Service's address is rewritten only after the node has found a route for it.
    ip -n "$ns" route replace "$SERVICE_CIDR" dev eth0
    ip route replace "$(node_pods "$n")" via "$(node_ip "$n")"
    ip route replace "$SERVICE_CIDR" via "$API_IP"
    nsenter --net="/run/netns/$ns" sysctl -qw net.ipv4.ip_forward=1
    # A pod's answer to a Service caller on the same bridge must pass the rules that undo the DNAT.
    nsenter --net="/run/netns/$ns" sysctl -qw net.bridge.bridge-nf-call-iptables=1
}
