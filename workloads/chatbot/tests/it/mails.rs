//! Mails from the whole product to a real SMTP server, and what people do with the links in them.

use std::time::Duration;

use chatbot_api::accounts::UserOut;
use chatbot_contract::environment as env;
use chatbot_contract::report::{DependencyName, DependencyState};
use chatbot_contract::{Workload, paths};
use chatbot_testkit::deployment::{Deployment, free_port};
use chatbot_testkit::smtp::Smtp;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;

use crate::Person;
use crate::deployment;

const EMAIL: &str = "ada@example.org";

async fn post(to: &Deployment, path: &str, body: serde_json::Value) -> StatusCode {
    let request = to.http.post(to.url(path)).json(&body);
    request.send().await.unwrap().status()
}

async fn mail_is(deployment: &Deployment, state: DependencyState) {
    deployment
        .wait_until_seen(Workload::User, DependencyName::Mail, state)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_link_in_a_mail_verifies_the_address_and_another_one_sets_a_new_password() {
    let smtp = Smtp::start("127.0.0.1:0").await.unwrap();
    let deployment = deployment::start_with_mail(smtp.port()).await;
    mail_is(&deployment, DependencyState::Ok).await;
    let ada = Person::register(&deployment, EMAIL).await;
    assert!(!ada.get::<UserOut>("/v1/me").await.email_verified);
    let mail = smtp.mail(EMAIL, 1).await;
    assert_eq!(mail.after("From: "), "Chat <chat@chat.example>");
    let verify = json!({"token": mail.after("http://chat.example/?verify=")});
    let confirm = "/v1/verification/confirm";
    assert_eq!(post(&deployment, confirm, verify.clone()).await, 204);
    assert!(ada.get::<UserOut>("/v1/me").await.email_verified);
    assert_eq!(post(&deployment, confirm, verify).await, 400);
    let again = ada.ask(Method::POST, "/v1/verification").send().await;
    assert_eq!(again.unwrap().status(), 204);

    // Whoever has no account is answered the same, and gets nothing.
    for email in ["nobody@example.org", "Ada@example.org"] {
        let asked = post(&deployment, "/v1/password-reset", json!({"email": email}));
        assert_eq!(asked.await, 202);
    }
    let mail = smtp.mail(EMAIL, 2).await;
    let token = mail.after("http://chat.example/#/reset/");
    let set = json!({"token": token, "password": "another horse"});
    let confirm = "/v1/password-reset/confirm";
    assert_eq!(post(&deployment, confirm, set.clone()).await, 204);
    assert_eq!(post(&deployment, confirm, set).await, 400);
    let me = ada.ask(Method::GET, "/v1/me").send().await.unwrap();
    assert_eq!(me.status(), 401);
    let refresh = json!({"refresh_token": ada.tokens.refresh_token});
    assert_eq!(post(&deployment, "/v1/auth/refresh", refresh).await, 401);
    for (password, status) in [("correct horse", 401), ("another horse", 200)] {
        let login = json!({"email": EMAIL, "password": password});
        assert_eq!(post(&deployment, "/v1/auth/login", login).await, status);
    }
    let mails = smtp.mails();
    assert!(mails.iter().all(|mail| mail.to == EMAIL), "{mails:?}");
    let metrics = deployment
        .http
        .get(deployment.admin(Workload::User, paths::METRICS));
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    let sent = r#"chatbot_mails_total{workload="user",outcome="sent"} 2"#;
    assert!(metrics.contains(sent), "{metrics}");
}

#[tokio::test]
async fn a_mail_server_that_is_away_holds_nobody_up_and_gets_the_mail_later() {
    let port = free_port().unwrap();
    let mut deployment = deployment::start_with_mail(port).await;
    mail_is(&deployment, DependencyState::Unreachable).await;
    Person::register(&deployment, EMAIL).await;
    // What waits is in the database, whatever becomes of the process.
    deployment.crash(Workload::User).await.unwrap();
    let smtp = Smtp::start(&format!("127.0.0.1:{port}")).await.unwrap();
    let mail = smtp.mail(EMAIL, 1).await;
    let verify = json!({"token": mail.after("?verify=")});
    assert_eq!(
        post(&deployment, "/v1/verification/confirm", verify).await,
        204
    );
}

#[tokio::test]
async fn a_process_that_ends_gives_the_mail_back_that_it_has_in_hand() {
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = hanging.local_addr().unwrap().port();
    let mut deployment = deployment::start_with_mail(port).await;
    Person::register(&deployment, EMAIL).await;
    // One asks whether the server is there, the other has the mail.
    let held = (
        hanging.accept().await.unwrap(),
        hanging.accept().await.unwrap(),
    );
    let mut sender = deployment.take(Workload::User).unwrap();
    sender.terminate().unwrap();
    drop((held, hanging));
    assert!(sender.ended().await.unwrap().success());

    let smtp = Smtp::start(&format!("127.0.0.1:{port}")).await.unwrap();
    sender.kill_and_start_again().unwrap();
    // A claim that nobody gave back would hold for five minutes.
    let mail = tokio::time::timeout(Duration::from_secs(60), smtp.mail(EMAIL, 1)).await;
    assert!(mail.unwrap().content.contains("?verify="));
}

#[tokio::test]
async fn without_a_mail_server_nothing_is_asked_for_and_a_reset_says_so() {
    let deployment = deployment::start().await;
    let ada = Person::register(&deployment, EMAIL).await;
    let asked = ada.ask(Method::POST, "/v1/verification").send().await;
    let answer: serde_json::Value = asked.unwrap().json().await.unwrap();
    assert_eq!(answer["error"]["code"], "not_configured");
    let reset = json!({"email": EMAIL});
    assert_eq!(post(&deployment, "/v1/password-reset", reset).await, 501);
    let mut sender = deployment
        .broken(Workload::User, env::MAIL_HOST, "mail.example.org")
        .unwrap();
    assert!(!sender.ended().await.unwrap().success());
    assert!(
        sender.errors().contains(env::MAIL_FROM),
        "{}",
        sender.errors()
    );
}
