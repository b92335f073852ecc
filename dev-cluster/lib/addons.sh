# shellcheck shell=bash
# What runs in the cluster before anything of ours: DNS, the default StorageClass, metrics.

render() { # FILE KEY=VALUE…
    local text pair
    text=$(<"$1")
    shift
    for pair in "$@"; do text=${text//@${pair%%=*}@/${pair#*=}}; done
    printf '%s\n' "$text"
}

apply() { kubectl apply --server-side --force-conflicts -f -; }

apply_addons() {
    local manifests=$ROOT/dev-cluster/manifests replicas=1
    if ((NODES > 1)); then replicas=2; fi
    render "$manifests/coredns.yaml" DNS_REPLICAS=$replicas DNS_IP="$DNS_IP" \
        COREDNS_IMAGE="$(image_ref coredns)" | apply
    render "$manifests/local-path.yaml" BUSYBOX_IMAGE="$(image_ref busybox)" \
        LOCAL_PATH_IMAGE="$(image_ref local-path-provisioner)" | apply
    render "$manifests/metrics-server.yaml" METRICS_SERVER_IMAGE="$(image_ref metrics-server)" \
        KUBELET_TLS=--kubelet-certificate-authority=/etc/kubelet-ca/ca.crt | apply
}

nodes_ready() {
    local n
    for n in $(seq "$NODES"); do
        kubectl wait --for=condition=Ready --timeout=1s "node/$(node_name "$n")" || return 1
    done
}

await_addons() {
    kubectl -n kube-system rollout status deployment/coredns --timeout=120s
    kubectl -n local-path-storage rollout status deployment/local-path-provisioner --timeout=120s
    kubectl -n kube-system rollout status deployment/metrics-server --timeout=120s
    await 60 "the metrics API" kubectl get --raw=/apis/metrics.k8s.io/v1beta1/nodes
}
