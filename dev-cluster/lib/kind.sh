# shellcheck shell=bash
# The same cluster by kind, where Docker is: kind brings DNS and a default StorageClass of its own.

create_kind_cluster() {
    mkdir -p "$STATE"
    kind get clusters | grep -qx chatbot || kind create cluster --name chatbot --config "$ROOT/kind-config.yaml" --wait 120s
    kind get kubeconfig --name chatbot >"$KUBECONFIG"
    chmod 600 "$KUBECONFIG"
    local context
    context=$(mktemp -d)
    cp -L "$CACHE/bin/metrics-server" "$context/program"
    build_static metrics-server "$ROOT/images/system/Dockerfile" "$context"
    rm -rf "$context"
    load_images metrics-server
    # kind's kubelets sign their own serving certificates.
    render "$ROOT/dev-cluster/manifests/metrics-server.yaml" METRICS_SERVER_IMAGE="$(image_ref metrics-server)" \
        KUBELET_TLS=--kubelet-insecure-tls | apply
    kubectl -n kube-system rollout status deployment/metrics-server --timeout=120s
}

# Its nodes are containers of Docker.
restart_kind_nodes() {
    local nodes
    mapfile -t nodes < <(kind get nodes --name chatbot)
    docker kill "${nodes[@]}"
    docker start "${nodes[@]}"
}

delete_kind_cluster() {
    kind delete cluster --name chatbot
}
