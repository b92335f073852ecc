//! Each validation rule accepts what it should and refuses what it should, with its sentence;
//! no cluster is needed, since the rules are evaluated here as the API server does it.

mod engines;

use chatbot_crds::ChatbotDeployment;
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

#[test]
fn an_authority_is_for_a_certificate_that_is_checked() {
    let redis = json!({"host": "cache", "secretName": "a"});
    let kafka = json!({"bootstrapServers": ["k:9093"], "secretName": "a"});
    let documents = json!({"hosts": ["d:27017"], "secretName": "a"});
    let mysql = json!({"host": "db", "secretName": "a"});
    let mail = json!({"host": "mail", "from": "chat@example.org"});
    for (path, mut server, with, without) in [
        ("/spec/redis/external", redis, json!(true), json!(false)),
        ("/spec/kafka/external", kafka, json!(true), json!(false)),
        (
            "/spec/documents/external",
            documents,
            json!(true),
            json!(false),
        ),
        (
            "/spec/mysql/external",
            mysql,
            json!("Verified"),
            json!("Unverified"),
        ),
        ("/spec/mail", mail, json!("Required"), json!("None")),
    ] {
        server["ca"] = json!({"secretName": "roots"});
        server["tls"] = with;
        accepts(&[(path, server.clone())]);
        server["tls"] = without;
        rejects(&[(path, server)], ".ca has no use");
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
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/samples");
    let samples = std::fs::read_dir(folder).expect("there are samples");
    for sample in samples {
        let file = sample.expect("the folder can be read").path();
        let text = std::fs::read_to_string(&file).expect("a sample can be read");
        let sample: ChatbotDeployment = serde_norway::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        if let Err(errors) = sample.validate_cel() {
            panic!("{} is refused: {errors:?}", file.display());
        }
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
