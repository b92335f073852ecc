//! Each validation rule accepts what it should and refuses what it should, with its sentence;
//! no cluster is needed, since the rules are evaluated here as the API server does it.

use chatbot_crds::{
    CertificateAuthority, ChatbotDeployment, OWNED_KAFKA_SETTINGS, OWNED_REDIS_SETTINGS,
    OWNED_SETTINGS,
};
use serde_json::{Value, json};

/// The smallest object, changed by `change` at its JSON pointers.
fn object(changes: &[(&str, Value)]) -> ChatbotDeployment {
    let mut object = json!({
        "apiVersion": "chatbot.rs/v1alpha1",
        "kind": "ChatbotDeployment",
        "metadata": {"name": "chatbot"},
        "spec": {"llm": {"apiKey": {"name": "groq"}}},
    });
    for (pointer, value) in changes {
        set(&mut object, pointer, value.clone());
    }
    serde_json::from_value(object).expect("the object has the shape of its type")
}

/// Sets the value at a JSON pointer, making the objects on the way; `null` removes it.
fn set(target: &mut Value, pointer: &str, value: Value) {
    let (parents, last) = pointer
        .rsplit_once('/')
        .expect("a pointer begins with a slash");
    let mut at = target;
    for name in parents.split('/').skip(1) {
        at = at
            .as_object_mut()
            .expect("a parent is an object")
            .entry(name)
            .or_insert_with(|| json!({}));
    }
    let at = at.as_object_mut().expect("a parent is an object");
    if value.is_null() {
        at.remove(last);
    } else {
        at.insert(last.to_owned(), value);
    }
}

#[track_caller]
fn accepts(changes: &[(&str, Value)]) {
    if let Err(errors) = object(changes).validate_cel() {
        panic!("refused: {errors:?}");
    }
}

#[track_caller]
fn rejects(changes: &[(&str, Value)], sentence: &str) {
    let errors = object(changes)
        .validate_cel()
        .expect_err("the object is accepted");
    assert!(
        format!("{errors:?}").contains(sentence),
        "another rule refused it: {errors:?}"
    );
}

#[track_caller]
fn accepts_update(before: &[(&str, Value)], after: &[(&str, Value)]) {
    if let Err(errors) = object(after).validate_cel_update(&object(before)) {
        panic!("refused: {errors:?}");
    }
}

#[track_caller]
fn rejects_update(before: &[(&str, Value)], after: &[(&str, Value)], sentence: &str) {
    let errors = object(after)
        .validate_cel_update(&object(before))
        .expect_err("the update is accepted");
    assert!(
        format!("{errors:?}").contains(sentence),
        "another rule refused it: {errors:?}"
    );
}

#[test]
fn an_api_key_alone_is_a_complete_system() {
    accepts(&[]);
    let spec = object(&[]).spec;
    assert_eq!(
        spec.mysql
            .managed
            .expect("MySQL is managed by default")
            .replicas,
        3
    );
    assert_eq!((spec.chat.replicas, spec.load_balancer.replicas), (2, 2));
    let redis = spec.redis.managed.expect("Redis is managed by default");
    assert_eq!(redis.replicas, 3);
}

#[test]
fn a_name_leaves_room_for_the_names_made_of_it() {
    accepts(&[("/metadata/name", json!("a".repeat(40)))]);
    rejects(
        &[("/metadata/name", json!("a".repeat(41)))],
        "longer than 40 characters",
    );
    rejects(
        &[("/metadata/name", json!("1st"))],
        "must begin with a letter",
    );
    rejects(
        &[("/metadata/name", json!("with.dot"))],
        "must begin with a letter",
    );
}

#[test]
fn an_image_is_named_or_left_out() {
    accepts(&[("/spec/image", json!("registry.example/chatbot:1"))]);
    rejects(&[("/spec/image", json!(""))], "image is empty");
}

#[test]
fn groq_needs_a_key() {
    rejects(
        &[("/spec/llm/apiKey", Value::Null)],
        "llm.apiKey is missing",
    );
}

#[test]
fn a_compatible_api_needs_a_url_and_a_model_and_no_key() {
    let compatible = [
        ("/spec/llm/apiKey", Value::Null),
        ("/spec/llm/provider", json!("OpenAICompatible")),
        ("/spec/llm/baseUrl", json!("http://llm.example:8000/v1")),
        ("/spec/llm/model", json!("tiny")),
    ];
    accepts(&compatible);
    let mut without_url = compatible.to_vec();
    without_url.push(("/spec/llm/baseUrl", Value::Null));
    rejects(&without_url, "llm.baseUrl is missing");
    let mut without_model = compatible.to_vec();
    without_model.push(("/spec/llm/model", Value::Null));
    rejects(&without_model, "llm.model is missing");
    let mut other_scheme = compatible.to_vec();
    other_scheme.push(("/spec/llm/baseUrl", json!("ftp://llm.example")));
    rejects(&other_scheme, "llm.baseUrl must be a URL");
}

#[test]
fn echo_has_no_use_for_a_key() {
    accepts(&[
        ("/spec/llm/apiKey", Value::Null),
        ("/spec/llm/provider", json!("Echo")),
    ]);
    rejects(
        &[("/spec/llm/provider", json!("Echo"))],
        "have no use with provider Echo",
    );
}

#[test]
fn a_node_port_needs_a_service_type_that_has_one() {
    let port = ("/spec/loadBalancer/service/nodePort", json!(30080));
    accepts(&[
        port.clone(),
        ("/spec/loadBalancer/service/type", json!("NodePort")),
    ]);
    rejects(&[port], "nodePort needs type NodePort or LoadBalancer");
}

#[test]
fn a_burst_fits_into_a_minute() {
    let limit = object(&[]).spec.gateway.rate_limit;
    assert_eq!((limit.requests_per_minute, limit.burst), (1200, None));
    let minute = |requests: i64| ("/spec/gateway/rateLimit/requestsPerMinute", json!(requests));
    let burst = ("/spec/gateway/rateLimit/burst", json!(60));
    accepts(&[minute(60), burst.clone()]);
    accepts(&[minute(10)]);
    accepts(&[("/spec/gateway/rateLimit/tokensPerDay", json!(1_000_000))]);
    rejects(
        &[minute(59), burst],
        "gateway.rateLimit.burst is larger than gateway.rateLimit.requestsPerMinute",
    );
}

#[test]
fn mysql_is_managed_or_external_and_not_both() {
    let external = json!({"host": "db.example", "secretName": "db"});
    accepts(&[("/spec/mysql/external", external.clone())]);
    rejects(&[("/spec/mysql", json!({}))], "exactly one of managed");
    rejects(
        &[("/spec/mysql", json!({"managed": {}, "external": external}))],
        "exactly one of managed",
    );
}

#[test]
fn mysql_stays_where_its_data_is() {
    let external = (
        "/spec/mysql/external",
        json!({"host": "db.example", "secretName": "db"}),
    );
    rejects_update(
        &[],
        std::slice::from_ref(&external),
        "cannot change between managed and external",
    );
    rejects_update(
        &[external],
        &[],
        "cannot change between managed and external",
    );
}

fn mail(changes: Value) -> [(&'static str, Value); 1] {
    let mut mail = json!({"host": "mail.example.org", "from": "chat@example.org"});
    for (name, value) in changes.as_object().expect("changes are an object") {
        mail[name] = value.clone();
    }
    [("/spec/mail", mail)]
}

#[test]
fn mail_is_left_out_or_has_a_sender() {
    accepts(&mail(json!({})));
    accepts(&mail(json!({"from": "The chat <chat@example.org>"})));
    assert_eq!(object(&[]).spec.mail, None);
    for bad in ["chat", "chat@", "a b@example.org", "The chat <chat>"] {
        rejects(
            &mail(json!({"from": bad})),
            "mail.from must be name@example.org",
        );
    }
    // It may come and go.
    accepts_update(&[], &mail(json!({})));
    accepts_update(&mail(json!({})), &[]);
}

#[test]
fn a_password_of_mail_goes_over_tls_alone() {
    for tls in ["StartTls", "Required"] {
        accepts(&mail(json!({"tls": tls, "secretName": "mail"})));
    }
    accepts(&mail(json!({"tls": "None"})));
    rejects(
        &mail(json!({"tls": "None", "secretName": "mail"})),
        "mail.secretName with mail.tls None",
    );
}

fn kafka(changes: Value) -> [(&'static str, Value); 1] {
    let mut external = json!({"bootstrapServers": ["kafka.example:9093"], "secretName": "events"});
    for (name, value) in changes.as_object().expect("changes are an object") {
        external[name] = value.clone();
    }
    [("/spec/kafka/external", external)]
}

#[test]
fn kafka_is_managed_or_somebody_elses_or_none() {
    accepts(&kafka(json!({})));
    let spec = object(&kafka(json!({}))).spec;
    let external = spec.kafka.external.expect("it is there");
    assert_eq!(external.mechanism.name(), "SCRAM-SHA-512");
    assert_eq!(
        (external.tls, external.topic_prefix.as_str()),
        (true, "chatbot")
    );
    assert_eq!(
        object(&[]).spec.kafka.managed.map(|kafka| kafka.replicas),
        Some(3)
    );
    accepts_update(&[], &kafka(json!({})));
    accepts_update(&kafka(json!({})), &[]);
    rejects(
        &[("/spec/kafka", json!({"managed": {}, "none": {}}))],
        "kafka takes exactly one of",
    );
}

#[test]
fn managed_documents_keep_their_engine_and_size() {
    let managed = |managed: Value| [("/spec/documents", json!({"managed": managed}))];
    let mongodb = |replicas: i32| managed(json!({"engine": "MongoDB", "replicas": replicas}));
    let default = managed(json!({"engine": "MongoDB"}));
    accepts(&managed(json!({})));
    accepts(&managed(json!({"engine": "FerretDB", "replicas": 1})));
    accepts(&default);
    accepts(&mongodb(1));
    accepts(&managed(json!({"engine": "MongoDB", "version": "8.0"})));
    let sentence = "documents.managed.replicas must be 1 or absent for FerretDB";
    for replicas in [0, 2, 4] {
        rejects(&mongodb(replicas), sentence);
    }
    rejects(&managed(json!({"replicas": 3})), sentence);
    rejects(
        &managed(json!({"version": "2.7.0"})),
        "documents.managed.version is for MongoDB",
    );

    let sentence = "documents.managed.engine and replicas cannot change";
    accepts_update(&default, &mongodb(3));
    accepts_update(&managed(json!({})), &managed(json!({"replicas": 1})));
    rejects_update(&mongodb(1), &mongodb(3), sentence);
    rejects_update(&mongodb(1), &default, sentence);
    rejects_update(&managed(json!({})), &mongodb(1), sentence);
    let none = [("/spec/documents", json!({"none": {}}))];
    accepts_update(&managed(json!({})), &none);
    accepts_update(&none, &default);
}

#[test]
fn kafka_keeps_its_size() {
    let size = |replicas: i32| [("/spec/kafka/managed/replicas", json!(replicas))];
    accepts(&size(1));
    for replicas in [0, 2, 5] {
        rejects(&size(replicas), "kafka.managed.replicas must be 1 or 3");
    }
    rejects_update(&size(1), &size(3), "kafka.managed.replicas cannot change");
    let none = [("/spec/kafka", json!({"none": {}}))];
    accepts_update(&size(1), &none);
    accepts_update(&none, &size(3));
}

#[test]
fn settings_of_kafka_that_the_operator_owns_are_refused() {
    let with = |setting: &str| [("/spec/kafka/managed/config", json!({setting: "x"}))];
    accepts(&with("log.retention.hours"));
    for owned in OWNED_KAFKA_SETTINGS
        .into_iter()
        .chain(["sasl.enabled.mechanisms", "listener.name.clients.x"])
    {
        rejects(&with(owned), "kafka.managed.config names a setting");
    }
}

#[test]
fn kafka_servers_are_hosts_with_ports() {
    for good in [
        "k:1",
        "kafka-0.kafka.example:9093",
        "192.0.2.1:9092",
        "[2001:db8::1]:9092",
    ] {
        accepts(&kafka(json!({"bootstrapServers": [good]})));
    }
    for bad in [
        "kafka.example",
        "kafka.example:",
        ":9092",
        "http://k:9092",
        "k:9092,l:9092",
        "k:123456",
    ] {
        rejects(
            &kafka(json!({"bootstrapServers": ["k:1", bad]})),
            "bootstrapServers must be host:port",
        );
    }
}

#[test]
fn kafka_gets_no_password_that_can_be_read_on_the_way() {
    accepts(&kafka(json!({"mechanism": "PLAIN", "tls": true})));
    accepts(&kafka(json!({"mechanism": "SCRAM-SHA-256", "tls": false})));
    rejects(
        &kafka(json!({"mechanism": "PLAIN", "tls": false})),
        "PLAIN sends the password as it is",
    );
}

#[test]
fn mysql_has_a_size_that_can_keep_a_majority() {
    for replicas in [1, 3, 5, 7] {
        accepts(&[("/spec/mysql/managed/replicas", json!(replicas))]);
    }
    for replicas in [0, 2, 4, 9] {
        rejects(
            &[("/spec/mysql/managed/replicas", json!(replicas))],
            "must be 1, 3, 5 or 7",
        );
    }
}

#[test]
fn mysql_grows_and_does_not_shrink() {
    let replicas = |n: i32| [("/spec/mysql/managed/replicas", json!(n))];
    accepts_update(&replicas(1), &replicas(3));
    rejects_update(&replicas(3), &replicas(1), "cannot shrink");
}

#[test]
fn storage_is_a_quantity_and_keeps_its_size() {
    let size = |s: &str| [("/spec/mysql/managed/storage/size", json!(s))];
    accepts(&size("500Mi"));
    rejects(&size("ten"), "storage.size must be a quantity");
    rejects(&size("0"), "storage.size must be a quantity");
    accepts_update(&size("1Gi"), &size("1Gi"));
    rejects_update(&size("1Gi"), &size("2Gi"), "storage cannot be changed");
}

#[test]
fn settings_that_the_operator_owns_are_refused_in_any_spelling() {
    let config = |name: &str| [("/spec/mysql/managed/config", json!({name: "1"}))];
    accepts(&config("max_connections"));
    for name in OWNED_SETTINGS {
        rejects(&config(name), "names a setting that the operator owns");
    }
    for name in [
        "Super-Read-Only",
        "group_replication_group_name",
        "loose-group_replication_x",
    ] {
        rejects(&config(name), "names a setting that the operator owns");
    }
}

#[test]
fn an_authority_is_for_a_certificate_that_is_checked() {
    let ca = json!({"secretName": "roots"});
    for (path, external, with, without) in [
        (
            "/spec/mysql/external",
            json!({"host": "db", "secretName": "db"}),
            json!("Verified"),
            json!("Unverified"),
        ),
        (
            "/spec/redis",
            json!({"external": {"host": "cache", "secretName": "cache"}}),
            json!(true),
            json!(false),
        ),
        (
            "/spec/kafka",
            json!({"external": {"bootstrapServers": ["k:9093"], "secretName": "events"}}),
            json!(true),
            json!(false),
        ),
        (
            "/spec/documents",
            json!({"external": {"hosts": ["d:27017"], "secretName": "documents"}}),
            json!(true),
            json!(false),
        ),
        (
            "/spec/mail",
            json!({"host": "mail", "from": "chat@example.org"}),
            json!("Required"),
            json!("None"),
        ),
    ] {
        let spec = |tls: &Value| {
            let mut spec = external.clone();
            let inner = match spec.get_mut("external") {
                Some(inner) => inner,
                None => &mut spec,
            };
            inner["tls"] = tls.clone();
            inner["ca"] = ca.clone();
            [(path, spec)]
        };
        accepts(&spec(&with));
        rejects(&spec(&without), ".ca has no use");
    }
}

#[test]
fn the_key_of_an_authority_is_the_one_that_cert_manager_writes() {
    let ca: CertificateAuthority =
        serde_json::from_value(json!({"secretName": "roots"})).expect("the key has a default");
    assert_eq!(ca.key, "ca.crt");
}

#[test]
fn redis_is_managed_external_or_absent_and_may_change_its_mind() {
    let external = json!({"host": "cache.example.org", "secretName": "cache"});
    let none = json!({"none": {}});
    for redis in [
        json!({"managed": {}}),
        json!({"external": external}),
        none.clone(),
    ] {
        accepts(&[("/spec/redis", redis)]);
    }
    let sentence = "redis takes exactly one of";
    rejects(&[("/spec/redis", json!({}))], sentence);
    rejects(
        &[("/spec/redis", json!({"external": external, "none": {}}))],
        sentence,
    );
    accepts_update(&[], &[("/spec/redis", none.clone())]);
    accepts_update(&[("/spec/redis", none)], &[]);
}

#[test]
fn redis_has_a_size_whose_sentinels_can_agree() {
    let replicas = |n: i32| [("/spec/redis/managed/replicas", json!(n))];
    accepts(&replicas(1));
    accepts(&replicas(3));
    for size in [0, 2, 4, 5] {
        rejects(&replicas(size), "redis.managed.replicas must be 1 or 3");
    }
    accepts_update(&replicas(1), &replicas(3));
    rejects_update(
        &replicas(3),
        &replicas(1),
        "redis.managed.replicas cannot shrink",
    );
}

#[test]
fn the_operators_own_settings_of_redis_are_not_to_be_changed() {
    let config = |name: &str| [("/spec/redis/managed/config", json!({name: "1"}))];
    accepts(&config("maxmemory-policy"));
    for name in OWNED_REDIS_SETTINGS.into_iter().chain(["ReplicaOf"]) {
        rejects(&config(name), "names a setting that the operator owns");
    }
}

#[test]
fn a_refresh_token_outlives_an_access_token() {
    accepts(&[
        ("/spec/user/accessTokenTtl", json!("1h")),
        ("/spec/user/refreshTokenTtl", json!("1h")),
    ]);
    rejects(
        &[
            ("/spec/user/accessTokenTtl", json!("2h")),
            ("/spec/user/refreshTokenTtl", json!("1h")),
        ],
        "user.refreshTokenTtl is shorter",
    );
}

#[test]
fn the_samples_are_valid() {
    for sample in [
        include_str!("../samples/chatbot.yaml"),
        include_str!("../samples/groq.yaml"),
    ] {
        let sample: ChatbotDeployment = serde_norway::from_str(sample).expect("the sample parses");
        sample.validate_cel().expect("the sample is accepted");
    }
}

#[test]
fn webhooks_may_be_in_networks_that_are_named() {
    let networks = |networks: Value| [("/spec/webhooks", json!({"allowedNetworks": networks}))];
    accepts(&networks(json!(["10.20.0.0/16", "fd00:20::/32"])));
    for bad in ["10.20.0.1", "internal.example.org/8"] {
        let sentence = "webhooks.allowedNetworks must be networks";
        rejects(&networks(json!([bad])), sentence);
    }
}
