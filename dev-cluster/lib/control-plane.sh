# shellcheck shell=bash
# etcd, API server, controller manager and scheduler, in the first node's namespaces.

start_etcd() {
    mkdir -p "$STATE/etcd"
    # No fsync: this cluster is for trying things, and its disk is shared with everything else.
    ensure_in_node 1 etcd "$CACHE/bin/etcd" \
        --name=node1 --data-dir="$STATE/etcd" --unsafe-no-fsync \
        --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \
        --listen-peer-urls=http://127.0.0.1:2380 --initial-advertise-peer-urls=http://127.0.0.1:2380 \
        --initial-cluster=node1=http://127.0.0.1:2380 \
        --auto-compaction-retention=1h --quota-backend-bytes=2147483648
}

start_apiserver() {
    ensure_in_node 1 kube-apiserver "$CACHE/bin/kube-apiserver" \
        --advertise-address="$API_IP" --secure-port=6443 \
        --etcd-servers=http://127.0.0.1:2379 \
        --service-cluster-ip-range="$SERVICE_CIDR" \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
        --client-ca-file="$PKI/ca.crt" \
        --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
        --kubelet-certificate-authority="$PKI/ca.crt" \
        --kubelet-client-certificate="$PKI/apiserver-kubelet-client.crt" \
        --kubelet-client-key="$PKI/apiserver-kubelet-client.key" \
        --kubelet-preferred-address-types=InternalIP \
        --service-account-issuer=https://kubernetes.default.svc.cluster.local \
        --service-account-key-file="$PKI/service-account.pub" \
        --service-account-signing-key-file="$PKI/service-account.key" \
        --requestheader-client-ca-file="$PKI/front-proxy-ca.crt" \
        --requestheader-allowed-names=front-proxy \
        --requestheader-username-headers=X-Remote-User \
        --requestheader-group-headers=X-Remote-Group \
        --requestheader-extra-headers-prefix=X-Remote-Extra- \
        --proxy-client-cert-file="$PKI/front-proxy.crt" --proxy-client-key-file="$PKI/front-proxy.key" \
        --enable-aggregator-routing --profiling=false
}

start_controllers() {
    # A node that is cut off is noticed within 10 s; its lease lasts 8 s (see the kubelet's configuration).
    ensure_in_node 1 kube-controller-manager "$CACHE/bin/kube-controller-manager" \
        --kubeconfig="$PKI/controller-manager.kubeconfig" \
        --authentication-kubeconfig="$PKI/controller-manager.kubeconfig" \
        --authorization-kubeconfig="$PKI/controller-manager.kubeconfig" \
        --root-ca-file="$PKI/ca.crt" \
        --service-account-private-key-file="$PKI/service-account.key" \
        --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
        --use-service-account-credentials --leader-elect=false \
        --allocate-node-cidrs=false --profiling=false \
        --node-monitor-grace-period=10s --node-monitor-period=2s \
        --horizontal-pod-autoscaler-sync-period=5s \
        --horizontal-pod-autoscaler-downscale-stabilization=30s
    ensure_in_node 1 kube-scheduler "$CACHE/bin/kube-scheduler" \
        --kubeconfig="$PKI/scheduler.kubeconfig" \
        --authentication-kubeconfig="$PKI/scheduler.kubeconfig" \
        --authorization-kubeconfig="$PKI/scheduler.kubeconfig" \
        --leader-elect=false --profiling=false
}

api_ready() { kubectl get --raw=/readyz --request-timeout=2s; }

start_control_plane() {
    start_etcd
    start_apiserver
    await 90 "the API server" api_ready || { tail -n 15 "$LOGS/kube-apiserver.log" "$LOGS/etcd.log"; return 1; }
    start_controllers
}
