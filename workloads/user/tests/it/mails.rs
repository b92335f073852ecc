//! Mails that wait and the links in them, on each database.

use chatbot_api::accounts::UserOut;
use chatbot_runtime::extract::IdempotencyKey;
use chatbot_user::Registration;
use chatbot_user::error::Error;
use chatbot_user::mail::{NewMail, Subject};
use chatbot_user::store::{AccountStore as _, MailStore as _, NewLink, Queued, Use, WaitingMail};
use chatbot_user::token::Token;

use crate::ada;
use crate::backend::{Backend, suite};
use crate::server::Server;

suite!(
    a_registration_queues_its_mail_and_the_same_one_again_queues_none,
    a_mail_is_claimed_by_one_and_again_when_the_claim_has_run_out,
    one_address_gets_no_more_than_its_share,
    a_link_verifies_once_and_answers_its_own_request_again,
    a_link_that_expired_or_is_of_another_kind_does_nothing,
    a_new_password_ends_every_session_and_every_other_link,
    mails_that_are_done_with_are_forgotten_and_those_that_wait_are_not,
);

const KEY: &str = "ada@example.org";

async fn registered<B: Backend>() -> (Server<B>, UserOut, String) {
    let server = Server::<B>::start(Registration::Open).await;
    let tokens = server
        .register(&IdempotencyKey::random(), &ada("correct horse"))
        .await
        .unwrap();
    (server, tokens.user, tokens.refresh_token)
}

async fn link<B: Backend>(
    server: &Server<B>,
    user: &UserOut,
    subject: Subject,
    expires_at: i64,
) -> Use {
    let hash = Token::random().hash();
    let link = NewLink {
        hash,
        account: user.id,
        subject,
        expires_at,
    };
    server.accounts.store.add_link(link).await.unwrap();
    Use {
        hash,
        request: [1; 32],
        now: 1_000,
    }
}

async fn waiting<B: Backend>(server: &Server<B>, now: i64) -> Vec<WaitingMail> {
    let store = &server.accounts.store;
    store.claim(now, now + 100, 10).await.unwrap()
}

async fn a_registration_queues_its_mail_and_the_same_one_again_queues_none<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    let key = IdempotencyKey::random();
    for _ in 0..2 {
        let made = server.register(&key, &ada("correct horse")).await.unwrap();
        assert!(!made.user.email_verified);
    }
    let mails = waiting(&server, i64::MAX - 100).await;
    let [mail] = mails.as_slice() else {
        panic!("not one mail: {mails:?}");
    };
    assert_eq!(
        (mail.subject, mail.email_key.as_str()),
        (Subject::Verification, KEY)
    );
}

async fn a_mail_is_claimed_by_one_and_again_when_the_claim_has_run_out<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    let store = &server.accounts.store;
    let mail = NewMail::new(Subject::Reset, KEY, 1_000);
    assert_eq!(store.queue(&mail, 5, 0).await.unwrap(), Queued::Yes);
    assert_eq!(waiting(&server, 999).await, []);
    let (one, other) = tokio::join!(waiting(&server, 1_000), waiting(&server, 1_000));
    assert_eq!(one.len() + other.len(), 1);
    assert_eq!(waiting(&server, 1_099).await, []);
    assert_eq!(waiting(&server, 1_100).await[0].attempts, 2);
    store.settle(mail.id, Some(5_000)).await.unwrap();
    assert_eq!(waiting(&server, 4_999).await, []);
    assert_eq!(waiting(&server, 5_000).await[0].attempts, 3);
    store.settle(mail.id, None).await.unwrap();
    assert_eq!(waiting(&server, i64::MAX - 100).await, []);
}

async fn one_address_gets_no_more_than_its_share<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    let ask = async |subject, email: &str, now| {
        let mail = NewMail::new(subject, email, now);
        let store = &server.accounts.store;
        store.queue(&mail, 2, now - 50).await.unwrap()
    };
    assert_eq!(ask(Subject::Reset, KEY, 100).await, Queued::Yes);
    assert_eq!(ask(Subject::Reset, KEY, 101).await, Queued::Yes);
    assert_eq!(ask(Subject::Reset, KEY, 102).await, Queued::Enough);
    assert_eq!(ask(Subject::Verification, KEY, 102).await, Queued::Yes);
    assert_eq!(
        ask(Subject::Reset, "bob@example.org", 102).await,
        Queued::Yes
    );
    assert_eq!(ask(Subject::Reset, KEY, 150).await, Queued::Yes);
}

async fn a_link_verifies_once_and_answers_its_own_request_again<B: Backend>() {
    let (server, user, _) = registered::<B>().await;
    let store = &server.accounts.store;
    let link = link(&server, &user, Subject::Verification, 2_000).await;
    store.verify(link).await.unwrap();
    store.verify(link).await.unwrap();
    let account = store.by_id(user.id).await.unwrap().unwrap();
    assert_eq!(account.verified_at, Some(1_000));
    let other = Use {
        request: [2; 32],
        ..link
    };
    assert!(matches!(store.verify(other).await, Err(Error::LinkSpent)));
}

async fn a_link_that_expired_or_is_of_another_kind_does_nothing<B: Backend>() {
    let (server, user, _) = registered::<B>().await;
    let store = &server.accounts.store;
    let expired = link(&server, &user, Subject::Verification, 1_000).await;
    let reset = link(&server, &user, Subject::Reset, 2_000).await;
    for link in [expired, reset] {
        assert!(matches!(store.verify(link).await, Err(Error::LinkSpent)));
    }
    let account = store.by_id(user.id).await.unwrap().unwrap();
    assert_eq!(account.verified_at, None);
}

async fn a_new_password_ends_every_session_and_every_other_link<B: Backend>() {
    let (server, user, refresh_token) = registered::<B>().await;
    let store = &server.accounts.store;
    let before = store.by_id(user.id).await.unwrap().unwrap();
    server.login(KEY, "correct horse").await.unwrap();
    let used = link(&server, &user, Subject::Reset, 2_000).await;
    let unused = link(&server, &user, Subject::Reset, 2_000).await;
    let ended = store.reset(used, "$argon2id$new").await.unwrap();
    assert_eq!(ended.len(), 2);
    // The answer got lost, and the request comes again.
    assert_eq!(store.reset(used, "$argon2id$other").await.unwrap().len(), 2);
    assert!(matches!(
        store.reset(unused, "$argon2id$third").await,
        Err(Error::LinkSpent)
    ));
    let account = store.by_id(user.id).await.unwrap().unwrap();
    assert_eq!(account.password_hash, "$argon2id$new");
    assert!(account.verified_at.is_some());
    let token = chatbot_api::accounts::RefreshIn { refresh_token };
    let refused = server.accounts.refresh(token).await;
    assert!(matches!(refused, Err(Error::SessionEnded)));
    // Someone whose old password was compared just before opens no session any more.
    let late = chatbot_user::store::NewToken {
        hash: [9; 32],
        expires_at: i64::MAX,
    };
    let opened = store
        .open_session(uuid::Uuid::now_v7(), &before, late, 1_001)
        .await;
    assert!(matches!(opened, Err(Error::WrongPassword)));
}

async fn mails_that_are_done_with_are_forgotten_and_those_that_wait_are_not<B: Backend>() {
    let server = Server::<B>::start(Registration::Open).await;
    let store = &server.accounts.store;
    let done = NewMail::new(Subject::Reset, KEY, 1_000);
    let waits = NewMail::new(Subject::Reset, KEY, 1_000);
    for mail in [&done, &waits] {
        store.queue(mail, 2, 0).await.unwrap();
    }
    store.settle(done.id, None).await.unwrap();
    store.prune(2_000, 2_000).await.unwrap();
    let mail = NewMail::new(Subject::Reset, KEY, 1_000);
    assert_eq!(store.queue(&mail, 2, 0).await.unwrap(), Queued::Yes);
    assert_eq!(waiting(&server, 1_000).await.len(), 2);
}
