//! The user workload as the gateway meets it, on each database that its store has an adapter for.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod backend;
mod mails;
mod server;

use chatbot_api::accounts::{LoginIn, RefreshIn, RegisterIn, TokensOut, UserOut};
use chatbot_api::error::ErrorCode;
use chatbot_api::internal::user;
use chatbot_contract::identity::ACCESS_TOKEN_AUDIENCE;
use chatbot_runtime::auth::Caller;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::IdempotencyKey;
use chatbot_runtime::request_id::RequestId;
use chatbot_user::Registration;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use backend::{Backend, suite};
use server::{ISSUER, Server};

suite!(
    a_registered_person_logs_in_whatever_the_case_of_the_address,
    a_wrong_password_and_an_unknown_address_are_the_same_answer,
    the_same_registration_sent_again_makes_one_account,
    two_strangers_may_choose_the_same_key,
    a_field_out_of_range_is_named,
    nobody_registers_where_registration_is_closed,
    a_refresh_token_is_good_once_and_shortly_again,
    a_used_refresh_token_that_comes_late_ends_the_session_and_no_other,
    a_session_that_was_logged_out_gives_no_tokens,
    an_access_token_holds_by_the_published_keys,
    a_call_without_a_workloads_token_is_refused,
    what_has_expired_is_removed_and_what_has_not_stays,
);

fn ada(password: &str) -> RegisterIn {
    RegisterIn {
        email: "Ada@Example.org".to_owned(),
        password: password.to_owned(),
        display_name: Some("Ada".to_owned()),
    }
}

fn token(tokens: &TokensOut) -> RefreshIn {
    RefreshIn {
        refresh_token: tokens.refresh_token.clone(),
    }
}

impl<B: Backend> Server<B> {
    async fn register(
        &self,
        key: &IdempotencyKey,
        request: &RegisterIn,
    ) -> Result<TokensOut, ApiError> {
        self.client
            .post(user::REGISTER, &[])
            .key(key)
            .json(request)
            .receive()
            .await
    }

    async fn login(&self, email: &str, password: &str) -> Result<TokensOut, ApiError> {
        let request = LoginIn {
            email: email.to_owned(),
            password: password.to_owned(),
        };
        self.client
            .post(user::LOGIN, &[])
            .json(&request)
            .receive()
            .await
    }

    async fn refresh(&self, tokens: &TokensOut) -> Result<TokensOut, ApiError> {
        self.client
            .post(user::REFRESH, &[])
            .json(&token(tokens))
            .receive()
            .await
    }

    /// As if the first use of every refresh token so far was longer ago than the grace.
    async fn let_the_grace_pass(&self) {
        let statement = "UPDATE refresh_tokens SET rotated_at = rotated_at - 60000";
        self.backend.execute(statement).await;
    }
}

async fn a_registered_person_logs_in_whatever_the_case_of_the_address<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    let made = server
        .register(&IdempotencyKey::random(), &ada("correct horse"))
        .await
        .unwrap();
    assert_eq!(made.user.email, "Ada@Example.org");
    let again = server
        .login("ada@example.ORG", "correct horse")
        .await
        .unwrap();
    assert_eq!(again.user, made.user);
    let caller = Caller {
        user: made.user.id,
        request_id: RequestId::new(),
    };
    let me: UserOut = server
        .client
        .get(user::ME, &[])
        .on_behalf_of(&caller)
        .receive()
        .await
        .unwrap();
    assert_eq!(me, made.user);
}

async fn a_wrong_password_and_an_unknown_address_are_the_same_answer<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    server
        .register(&IdempotencyKey::random(), &ada("correct horse"))
        .await
        .unwrap();
    let wrong = server
        .login("ada@example.org", "correct house")
        .await
        .err()
        .unwrap();
    let unknown = server
        .login("bob@example.org", "correct horse")
        .await
        .err()
        .unwrap();
    assert_eq!(wrong.code, ErrorCode::InvalidCredentials);
    assert_eq!(wrong, unknown);
}

async fn the_same_registration_sent_again_makes_one_account<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    let (key, request) = (IdempotencyKey::random(), ada("correct horse"));
    let (one, other) = tokio::join!(
        server.register(&key, &request),
        server.register(&key, &request)
    );
    assert_eq!(one.unwrap().user, other.unwrap().user);
    let changed = server
        .register(&key, &ada("another horse"))
        .await
        .err()
        .unwrap();
    assert_eq!(changed.code, ErrorCode::IdempotencyKeyReused);
    let taken = server
        .register(&IdempotencyKey::random(), &request)
        .await
        .err()
        .unwrap();
    assert_eq!(taken.code, ErrorCode::EmailTaken);
}

async fn two_strangers_may_choose_the_same_key<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    let key = IdempotencyKey::parse(b"1").unwrap();
    let bob = RegisterIn {
        email: "bob@example.org".to_owned(),
        ..ada("correct horse")
    };
    let ada = server.register(&key, &ada("correct horse")).await.unwrap();
    assert_ne!(
        server.register(&key, &bob).await.unwrap().user.id,
        ada.user.id
    );
}

async fn a_field_out_of_range_is_named<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    for (request, param) in [
        (
            RegisterIn {
                email: "ada".to_owned(),
                ..ada("correct horse")
            },
            "email",
        ),
        (ada("short"), "password"),
        (
            RegisterIn {
                display_name: Some("a\nb".to_owned()),
                ..ada("correct horse")
            },
            "display_name",
        ),
    ] {
        let error = server
            .register(&IdempotencyKey::random(), &request)
            .await
            .err()
            .unwrap();
        assert_eq!(
            (error.code, error.param.as_deref()),
            (ErrorCode::InvalidRequest, Some(param))
        );
    }
}

async fn nobody_registers_where_registration_is_closed<B: Backend>() {
    let server = Server::<B>::start(Registration::Closed).await;
    let error = server
        .register(&IdempotencyKey::random(), &ada("correct horse"))
        .await
        .err()
        .unwrap();
    assert_eq!(error.code, ErrorCode::RegistrationClosed);
}

async fn a_refresh_token_is_good_once_and_shortly_again<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    let first = server
        .register(&IdempotencyKey::random(), &ada("correct horse"))
        .await
        .unwrap();
    let second = server.refresh(&first).await.unwrap();
    let twin = server.refresh(&first).await.unwrap();
    assert_ne!(second.refresh_token, twin.refresh_token);
    server.refresh(&second).await.unwrap();
    server.refresh(&twin).await.unwrap();
}

async fn a_used_refresh_token_that_comes_late_ends_the_session_and_no_other<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    let first = server
        .register(&IdempotencyKey::random(), &ada("correct horse"))
        .await
        .unwrap();
    let elsewhere = server
        .login("ada@example.org", "correct horse")
        .await
        .unwrap();
    let second = server.refresh(&first).await.unwrap();
    server.let_the_grace_pass().await;
    assert_eq!(
        server.refresh(&first).await.err().unwrap().code,
        ErrorCode::InvalidCredentials
    );
    assert_eq!(
        server.refresh(&second).await.err().unwrap().code,
        ErrorCode::InvalidCredentials
    );
    server.refresh(&elsewhere).await.unwrap();
}

async fn a_session_that_was_logged_out_gives_no_tokens<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    let tokens = server
        .register(&IdempotencyKey::random(), &ada("correct horse"))
        .await
        .unwrap();
    for _ in 0..2 {
        server
            .client
            .post(user::LOGOUT, &[])
            .json(&token(&tokens))
            .send()
            .await
            .unwrap();
    }
    assert_eq!(
        server.refresh(&tokens).await.err().unwrap().code,
        ErrorCode::InvalidCredentials
    );
}

async fn an_access_token_holds_by_the_published_keys<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    let tokens = server
        .register(&IdempotencyKey::random(), &ada("correct horse"))
        .await
        .unwrap();
    let keys: JwkSet = server.client.get(user::JWKS, &[]).receive().await.unwrap();
    let header = jsonwebtoken::decode_header(&tokens.access_token).unwrap();
    let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[ACCESS_TOKEN_AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    let claims = jsonwebtoken::decode::<serde_json::Value>(&tokens.access_token, &key, &validation)
        .unwrap()
        .claims;
    assert_eq!(claims["sub"], tokens.user.id.to_string());
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(u64::try_from(life).unwrap(), tokens.expires_in);
    assert!(claims["sid"].is_string() && claims["jti"].is_string());
}

async fn a_call_without_a_workloads_token_is_refused<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    for path in [user::LOGIN, user::REGISTER, user::LOGOUT, user::REFRESH] {
        let response = reqwest::Client::new()
            .post(server.url(path))
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 401, "{path}");
    }
    for path in [user::ME, user::JWKS] {
        assert_eq!(
            reqwest::get(server.url(path)).await.unwrap().status(),
            401,
            "{path}"
        );
    }
}

async fn what_has_expired_is_removed_and_what_has_not_stays<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    let tokens = server
        .register(&IdempotencyKey::random(), &ada("correct horse"))
        .await
        .unwrap();
    server.accounts.prune().await.unwrap();
    let tokens = server.refresh(&tokens).await.unwrap();
    for table in ["refresh_tokens", "sessions"] {
        let expire = format!("UPDATE {table} SET expires_at = 1");
        server.backend.execute(&expire).await;
    }
    server.accounts.prune().await.unwrap();
    assert_eq!(
        server.refresh(&tokens).await.err().unwrap().code,
        ErrorCode::InvalidCredentials
    );
    server
        .login("ada@example.org", "correct horse")
        .await
        .unwrap();
}
