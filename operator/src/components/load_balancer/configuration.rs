//! nginx's configuration.
//!
//! Connections to the gateway are kept open, but never for as long as a gateway drains: nginx
//! closes one that is idle for two seconds, and a gateway that drains closes each after its
//! answer, so that no request is sent into a connection that is being closed. A request is tried
//! again only when it did not reach a gateway (the name stands three times, an attempt each), or when it
//! changes nothing.

use std::fmt::Write;

use chatbot_contract::{DRAIN_SECONDS, SHUTDOWN_SECONDS, Workload, ports};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;

use super::Plan;
use crate::child::Child;
use crate::names;

/// Where the configuration is mounted.
pub(super) const FOLDER: &str = "/etc/chatbot-nginx";
/// Where certificate and key are mounted.
pub(super) const TLS_FOLDER: &str = "/etc/chatbot-tls";
/// Key of the configuration in the ConfigMap.
pub(super) const FILE: &str = "nginx.conf";

/// Where nginx writes the number of its first process.
pub(super) const PID_FILE: &str = "/tmp/nginx.pid";

/// Idle connections to a gateway are closed after this time (seconds).
const KEEPALIVE_SECONDS: u64 = 2;
const _: () = assert!(
    KEEPALIVE_SECONDS < DRAIN_SECONDS,
    "an idle connection must be closed before a gateway has drained"
);

/// Makes the ConfigMap.
pub(super) fn config_map(plan: &Plan) -> Child {
    Child::new(&ConfigMap {
        metadata: ObjectMeta {
            name: Some(names::of(&plan.deployment, names::LOAD_BALANCER)),
            ..ObjectMeta::default()
        },
        data: Some([(FILE.to_owned(), configuration(plan))].into()),
        ..ConfigMap::default()
    })
}

/// Makes the configuration.
pub(super) fn configuration(plan: &Plan) -> String {
    let gateway = format!(
        "{}.{}.svc:{}",
        names::of(&plan.deployment, Workload::Gateway.name()),
        plan.namespace,
        ports::HTTP
    );
    let admin = ports::EDGE_ADMIN;
    let mut text = format!(
        r#"# Written by the operator.
worker_processes 1;
pid {PID_FILE};
error_log stderr warn;
worker_shutdown_timeout {SHUTDOWN_SECONDS}s;

events {{
    worker_connections 8192;
}}

http {{
    client_body_temp_path /tmp/client-body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;

    # Queries may hold tokens, so that only the path is written down.
    log_format json escape=json '{{"time":"$time_iso8601","client":"$remote_addr","method":"$request_method",'
        '"path":"$uri","status":$status,"bytes":$body_bytes_sent,"seconds":$request_time,'
        '"upstream":"$upstream_addr","upstream_status":"$upstream_status","request_id":"$request_id"}}';
    access_log /dev/stdout json;

    server_tokens off;
    default_type application/octet-stream;
    tcp_nodelay on;
    keepalive_timeout 75s;
    # An nginx that stops closes an idle connection only after this time, and until then answers on
    # it with "Connection: close": a client that sends just then meets no closed door.
    keepalive_min_timeout 20s;
    client_header_timeout 15s;
    client_body_timeout 30s;
    client_max_body_size 1m;
    large_client_header_buffers 4 16k;
    reset_timedout_connection on;

    map $http_upgrade $connection_upgrade {{
        default upgrade;
        '' '';
    }}

    upstream gateway {{
        server {gateway} max_fails=0;
        server {gateway} max_fails=0;
        server {gateway} max_fails=0;
        keepalive 64;
        keepalive_timeout {KEEPALIVE_SECONDS}s;
    }}

    server {{
        listen {admin};
        access_log off;
        location = /healthz {{
            return 200;
        }}
        location / {{
            return 404;
        }}
    }}
"#
    );
    let port = ports::EDGE_HTTP;
    if plan.tls.is_some() {
        let secure = ports::EDGE_HTTPS;
        let _ = write!(
            text,
            r"
    server {{
        listen {port};
        location / {{
            return 308 https://$host$request_uri;
        }}
    }}

    server {{
        listen {secure} ssl;
        http2 on;
        ssl_certificate {TLS_FOLDER}/tls.crt;
        ssl_certificate_key {TLS_FOLDER}/tls.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:tls:2m;
        ssl_session_tickets off;
        add_header Strict-Transport-Security max-age=31536000 always;
{}    }}
",
            proxy()
        );
    } else {
        let _ = write!(
            text,
            r"
    server {{
        listen {port};
{}    }}
",
            proxy()
        );
    }
    text.push_str("}\n");
    text
}

/// What leads to the gateway.
fn proxy() -> String {
    // A client's own X-Forwarded-For proves nothing, so it is replaced.
    r"
        location / {
            proxy_pass http://gateway;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Request-Id $request_id;

            # Answers are streams: nothing is held back, and silence between tokens is no failure.
            proxy_buffering off;
            proxy_request_buffering on;
            proxy_connect_timeout 2s;
            proxy_send_timeout 60s;
            proxy_read_timeout 3600s;
            proxy_next_upstream error;
            proxy_next_upstream_tries 3;
            proxy_next_upstream_timeout 10s;
        }
"
    .to_owned()
}
