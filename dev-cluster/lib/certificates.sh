# shellcheck shell=bash
# The cluster's certificate authorities, certificates and kubeconfig files, by openssl.

PKI=$STATE/pki

make_ca() { # NAME
    if [[ -e $PKI/$1.crt ]]; then return; fi
    openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/$1.key"
    openssl req -x509 -new -sha256 -key "$PKI/$1.key" -days 3650 -subj "/CN=chatbot-dev-$1" -out "$PKI/$1.crt"
}

sign() { # NAME CA SUBJECT [ALTERNATIVE-NAMES]
    local name=$1 ca=$2 subject=$3 names=${4:-}
    if [[ -e $PKI/$name.crt ]]; then return; fi
    openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/$name.key"
    openssl req -new -sha256 -key "$PKI/$name.key" -subj "$subject" |
        openssl x509 -req -sha256 -days 3650 -CA "$PKI/$ca.crt" -CAkey "$PKI/$ca.key" \
            -set_serial "0x$(openssl rand -hex 16)" -out "$PKI/.$name.crt" -extfile <(
                echo "keyUsage=digitalSignature,keyEncipherment"
                echo "extendedKeyUsage=serverAuth,clientAuth"
                if [[ -n $names ]]; then echo "subjectAltName=$names"; fi
            )
    mv "$PKI/.$name.crt" "$PKI/$name.crt"
}

write_kubeconfig() { # FILE CERTIFICATE-NAME
    if [[ -e $1 ]]; then return; fi
    cat >"$1.new" <<END
apiVersion: v1
kind: Config
clusters:
  - name: chatbot-dev
    cluster:
      server: https://$API_IP:6443
      certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")
users:
  - name: $2
    user:
      client-certificate-data: $(base64 -w0 "$PKI/$2.crt")
      client-key-data: $(base64 -w0 "$PKI/$2.key")
contexts:
  - name: chatbot-dev
    context: {cluster: chatbot-dev, user: $2}
current-context: chatbot-dev
END
    chmod 600 "$1.new"
    mv "$1.new" "$1"
}

make_certificates() {
    local n name
    mkdir -p "$PKI"
    chmod 700 "$PKI"
    make_ca ca
    make_ca front-proxy-ca
    if [[ ! -e $PKI/service-account.pub ]]; then
        openssl genrsa -out "$PKI/service-account.key" 2048
        openssl rsa -in "$PKI/service-account.key" -pubout -out "$PKI/service-account.pub"
    fi
    sign apiserver ca /CN=kube-apiserver \
        "IP:$API_IP,IP:$API_SERVICE_IP,IP:127.0.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
    sign apiserver-kubelet-client ca /O=system:masters/CN=kube-apiserver-kubelet-client
    sign front-proxy front-proxy-ca /CN=front-proxy
    sign admin ca /O=system:masters/CN=admin
    sign controller-manager ca /CN=system:kube-controller-manager
    sign scheduler ca /CN=system:kube-scheduler
    sign proxy ca /CN=system:kube-proxy
    for n in $(seq "$NODES"); do
        name=$(node_name "$n")
        sign "$name" ca "/O=system:nodes/CN=system:node:$name" "IP:$(node_ip "$n"),DNS:$name"
        write_kubeconfig "$PKI/$name.kubeconfig" "$name"
    done
    for name in controller-manager scheduler proxy; do write_kubeconfig "$PKI/$name.kubeconfig" "$name"; done
    write_kubeconfig "$KUBECONFIG" admin
}
