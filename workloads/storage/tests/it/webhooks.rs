//! Webhooks: from an event to a message that arrives, whatever the endpoint does.

mod bed;

use chatbot_api::webhooks::{
    DeliveryOut, DeliveryStatus, DisabledReason, WebhookIn, WebhookOut, WebhookPatchIn,
};
use chatbot_contract::events::{Event, Kind};
use chatbot_storage::store;
use chatbot_storage::store::deliveries::DeliveryStore as _;
use chatbot_storage::webhooks::address::Rules;
use chatbot_storage::webhooks::consumer::OLDEST;
use chatbot_storage::webhooks::sender::KEPT;
use chatbot_storage::webhooks::{Error, WEBHOOKS, Webhooks};
use chatbot_testkit::receiver::{Act, Receiver};
use jiff::Timestamp;
use reqwest::StatusCode;
use uuid::Uuid;

use crate::backend::{Backend, literal, suite};
use bed::{Bed, PAUSE, local, request};

suite!(
    an_event_arrives_once_and_signed_however_often_it_is_told,
    a_webhook_gets_what_it_wants_and_nothing_of_others_or_of_before,
    an_endpoint_that_fails_gets_the_same_message_again,
    during_a_rotation_both_secrets_sign_and_then_only_the_new_one,
    an_endpoint_that_is_gone_is_disabled_and_can_be_enabled,
    an_endpoint_that_took_nothing_in_all_attempts_is_disabled_and_goes_on_when_enabled,
    an_endpoint_that_takes_something_is_not_disabled_for_what_it_did_not,
    a_redirection_is_not_followed,
    a_name_is_sent_to_only_while_its_address_is_allowed,
    an_endpoint_that_hangs_holds_nobody_up,
    an_endpoint_of_a_dead_sender_is_taken_by_another_one,
    what_is_asked_for_is_checked,
    a_webhook_is_its_users_alone,
    nothing_of_a_webhook_can_be_read_in_the_database,
    old_messages_are_removed,
);

async fn an_event_arrives_once_and_signed_however_often_it_is_told<B: Backend>() {
    let bed = Bed::<B>::new().await;
    let receiver = Receiver::start(Act::Answer(StatusCode::OK)).await.unwrap();
    let webhook = bed.webhook(&receiver).await;
    assert_eq!(bed.read(webhook.id).await.secret, None);
    let (first, second) = (bed.event(), bed.event());
    bed.tell(&[first.clone(), first.clone()]).await;
    receiver.wait_for(1).await;
    bed.tell(&[first.clone(), second.clone()]).await;
    let received = receiver.wait_for(2).await;
    let ids: Vec<_> = received.iter().map(|message| message.id()).collect();
    assert_eq!(ids, [first.id.to_string(), second.id.to_string()]);
    let message = &received[0];
    assert!(message.is_signed_with(webhook.secret.as_deref().unwrap()));
    assert_eq!(message.headers["content-type"], "application/json");
    assert_eq!(message.json()["type"], "conversation.deleted");
    assert_eq!(message.json()["data"]["seq"], 3);

    let delivery = bed.newest(webhook.id, DeliveryStatus::Delivered, 1).await;
    assert_eq!(delivery.webhook_id, second.id.to_string());
    assert_eq!(delivery.last_attempt.unwrap().http_status, Some(200));
    assert_eq!(delivery.next_attempt_at, None);
    assert!(bed.read(webhook.id).await.last_success_at.is_some());
    assert_eq!(bed.deliveries(webhook.id).await.len(), 2);
    assert_eq!(receiver.received().len(), 2);
}

async fn a_webhook_gets_what_it_wants_and_nothing_of_others_or_of_before<B: Backend>() {
    let bed = Bed::<B>::new().await;
    let receiver = Receiver::start(Act::Answer(StatusCode::OK)).await.unwrap();
    let events = vec!["conversation.deleted".to_owned()];
    let request = WebhookIn {
        events: events.clone(),
        ..request(&receiver.url())
    };
    let webhook = bed
        .webhooks
        .create(bed.fixture.user, request)
        .await
        .unwrap();
    assert_eq!(webhook.events, events);
    let unwanted = Event {
        kind: Kind::MessageCreated {
            message_id: Uuid::now_v7(),
            turn_id: Uuid::now_v7(),
        },
        ..bed.event()
    };
    let of_another = Event {
        user_id: Uuid::now_v7(),
        ..bed.event()
    };
    let at =
        |ago: i64| Timestamp::from_millisecond(Timestamp::now().as_millisecond() - ago).unwrap();
    let before = Event {
        time: at(60_000),
        ..bed.event()
    };
    let wanted = bed.event();
    bed.tell(&[unwanted, of_another, before, wanted.clone()])
        .await;
    assert_eq!(receiver.wait_for(1).await[0].id(), wanted.id.to_string());
    // Long after: what is told again from the beginning of a topic.
    bed.fixture
        .backend
        .execute("UPDATE webhooks SET created_at = 1".to_owned())
        .await;
    let forgotten = Event {
        time: at(OLDEST + 1),
        ..bed.event()
    };
    bed.tell(&[forgotten]).await;
    assert_eq!(bed.deliveries(webhook.id).await.len(), 1);
}

async fn an_endpoint_that_fails_gets_the_same_message_again<B: Backend>() {
    let bed = Bed::<B>::new().await;
    let receiver = Receiver::start(Act::Answer(StatusCode::BAD_GATEWAY))
        .await
        .unwrap();
    let webhook = bed.webhook(&receiver).await;
    bed.tell(&[bed.event()]).await;
    let waiting = bed.newest(webhook.id, DeliveryStatus::Waiting, 1).await;
    assert!(waiting.next_attempt_at.unwrap() > waiting.created_at);
    assert_eq!(waiting.last_attempt.unwrap().http_status, Some(502));
    receiver.act(Act::Answer(StatusCode::NO_CONTENT));
    bed.let_time_pass().await;
    let received = receiver.wait_for(2).await;
    assert_eq!(received[0].id(), received[1].id());
    assert_eq!(received[0].body, received[1].body);
    assert!(received[1].is_signed_with(webhook.secret.as_deref().unwrap()));
    bed.newest(webhook.id, DeliveryStatus::Delivered, 2).await;
}

async fn during_a_rotation_both_secrets_sign_and_then_only_the_new_one<B: Backend>() {
    let bed = Bed::<B>::new().await;
    let receiver = Receiver::start(Act::Answer(StatusCode::OK)).await.unwrap();
    let webhook = bed.webhook(&receiver).await;
    let rotated = bed.webhooks.rotate(bed.fixture.user, webhook.id).await;
    let rotated = rotated.unwrap();
    let (old, new) = (webhook.secret.unwrap(), rotated.secret.unwrap());
    assert!(rotated.old_secret_until.is_some());
    bed.tell(&[bed.event()]).await;
    let message = receiver.wait_for(1).await.remove(0);
    assert!(message.is_signed_with(&new) && message.is_signed_with(&old));

    let a_day_later = "UPDATE webhooks SET old_secret_until = 1".to_owned();
    bed.fixture.backend.execute(a_day_later).await;
    bed.tell(&[bed.event()]).await;
    let message = receiver.wait_for(2).await.remove(1);
    assert!(message.is_signed_with(&new) && !message.is_signed_with(&old));
    assert_eq!(bed.read(webhook.id).await.old_secret_until, None);
}

async fn an_endpoint_that_is_gone_is_disabled_and_can_be_enabled<B: Backend>() {
    let bed = Bed::<B>::new().await;
    let receiver = Receiver::start(Act::Answer(StatusCode::GONE))
        .await
        .unwrap();
    let webhook = bed.webhook(&receiver).await;
    bed.tell(&[bed.event()]).await;
    assert_eq!(bed.disabled(webhook.id).await, DisabledReason::Gone);
    bed.newest(webhook.id, DeliveryStatus::Failed, 1).await;
    // Nothing is made for it, and no test is sent.
    bed.tell(&[bed.event()]).await;
    assert_eq!(bed.deliveries(webhook.id).await.len(), 1);
    let test = bed.webhooks.test(bed.fixture.user, webhook.id).await;
    assert!(matches!(
        test,
        Err(Error::Invalid {
            field: "disabled",
            ..
        })
    ));

    receiver.act(Act::Answer(StatusCode::OK));
    assert!(!bed.enable(webhook.id).await.disabled);
    let test = bed.webhooks.test(bed.fixture.user, webhook.id).await;
    let message = receiver.wait_for(2).await.remove(1);
    assert_eq!(message.id(), test.unwrap().webhook_id);
    assert_eq!(message.json()["type"], "webhook.test");
    bed.newest(webhook.id, DeliveryStatus::Delivered, 1).await;
}

async fn an_endpoint_that_took_nothing_in_all_attempts_is_disabled_and_goes_on_when_enabled<
    B: Backend,
>() {
    let bed = Bed::<B>::new().await;
    let receiver = Receiver::start(Act::Answer(StatusCode::NOT_FOUND))
        .await
        .unwrap();
    let webhook = bed.webhook(&receiver).await;
    bed.tell(&[bed.event()]).await;
    bed.newest(webhook.id, DeliveryStatus::Waiting, 1).await;
    let tried = "UPDATE webhook_deliveries SET attempts = 9".to_owned();
    bed.fixture.backend.execute(tried).await;
    // Another message waits with it, and is not lost.
    bed.tell(&[bed.event()]).await;
    bed.newest(webhook.id, DeliveryStatus::Waiting, 1).await;
    bed.let_time_pass().await;
    assert_eq!(bed.disabled(webhook.id).await, DisabledReason::Failing);
    let all = bed.deliveries(webhook.id).await;
    assert_eq!(all[1].status, DeliveryStatus::Failed);
    assert_eq!((all[1].attempts, all[1].next_attempt_at), (10, None));
    assert_eq!(all[0].status, DeliveryStatus::Waiting);

    receiver.act(Act::Answer(StatusCode::OK));
    bed.enable(webhook.id).await;
    bed.let_time_pass().await;
    bed.newest(webhook.id, DeliveryStatus::Delivered, 3).await;
}

async fn a_redirection_is_not_followed<B: Backend>() {
    let bed = Bed::<B>::new().await;
    let receiver = Receiver::start(Act::Answer(StatusCode::TEMPORARY_REDIRECT))
        .await
        .unwrap();
    let webhook = bed.webhook(&receiver).await;
    bed.tell(&[bed.event()]).await;
    let waiting = bed.newest(webhook.id, DeliveryStatus::Waiting, 1).await;
    assert_eq!(waiting.last_attempt.unwrap().http_status, Some(307));
    assert_eq!(receiver.received().len(), 1);
}

async fn an_endpoint_that_takes_something_is_not_disabled_for_what_it_did_not<B: Backend>() {
    let bed = Bed::<B>::new().await;
    let receiver = Receiver::start(Act::Answer(StatusCode::NOT_FOUND))
        .await
        .unwrap();
    let webhook = bed.webhook(&receiver).await;
    bed.tell(&[bed.event()]).await;
    bed.newest(webhook.id, DeliveryStatus::Waiting, 1).await;
    receiver.act(Act::Answer(StatusCode::OK));
    bed.tell(&[bed.event()]).await;
    bed.newest(webhook.id, DeliveryStatus::Delivered, 1).await;
    receiver.act(Act::Answer(StatusCode::NOT_FOUND));
    let tried = "UPDATE webhook_deliveries SET attempts = 9 WHERE due_at IS NOT NULL".to_owned();
    bed.fixture.backend.execute(tried).await;
    bed.let_time_pass().await;
    while bed.deliveries(webhook.id).await[1].status != DeliveryStatus::Failed {
        tokio::time::sleep(PAUSE).await;
    }
    assert!(!bed.read(webhook.id).await.disabled);
}

async fn a_name_is_sent_to_only_while_its_address_is_allowed<B: Backend>() {
    let bed = Bed::<B>::new().await;
    let receiver = Receiver::start(Act::Answer(StatusCode::OK)).await.unwrap();
    let url = receiver.url().replace("127.0.0.1", "localhost");
    let user = bed.fixture.user;
    let webhook = bed.webhooks.create(user, request(&url)).await.unwrap();
    bed.tell(&[bed.event()]).await;
    bed.newest(webhook.id, DeliveryStatus::Delivered, 1).await;

    // As when a name comes to stand for another address.
    let bed = bed.with(Rules {
        webhooks_allowed_networks: Vec::new(),
        ..local()
    });
    bed.tell(&[bed.event()]).await;
    let waiting = bed.newest(webhook.id, DeliveryStatus::Waiting, 1).await;
    let problem = waiting.last_attempt.unwrap().problem;
    assert_eq!(problem.as_deref(), Some("address_not_allowed"));
    assert_eq!(receiver.received().len(), 1);
}

async fn an_endpoint_that_hangs_holds_nobody_up<B: Backend>() {
    let bed = Bed::<B>::new().await;
    let hanging = Receiver::start(Act::Hang).await.unwrap();
    let healthy = Receiver::start(Act::Answer(StatusCode::OK)).await.unwrap();
    let slow = bed.webhook(&hanging).await;
    let fast = bed.webhook(&healthy).await;
    let events: Vec<_> = (0..20).map(|_| bed.event()).collect();
    bed.tell(&events).await;
    healthy.wait_for(20).await;
    let delivered = |all: &[DeliveryOut]| {
        let taken = all
            .iter()
            .filter(|one| one.status == DeliveryStatus::Delivered);
        taken.count()
    };
    while delivered(&bed.deliveries(fast.id).await) < 20 {
        tokio::time::sleep(PAUSE).await;
    }
    // The first ones hang still, and no more of them than may.
    assert_eq!(hanging.wait_for(8).await.len(), 8);
    assert_eq!(delivered(&bed.deliveries(slow.id).await), 0);
}

async fn an_endpoint_of_a_dead_sender_is_taken_by_another_one<B: Backend>() {
    let bed = Bed::<B>::new().await;
    // The one that dies is this test.
    bed.sending.abort();
    let receiver = Receiver::start(Act::Answer(StatusCode::OK)).await.unwrap();
    let webhook = bed.webhook(&receiver).await;
    bed.tell(&[bed.event()]).await;
    let store = bed.fixture.backend.store();
    let now = Timestamp::now().as_millisecond() + 1;
    let claim = async |at: i64| {
        let claimed = store.claim(at, at + 1_000, 10).await.unwrap();
        claimed.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert!(claim(now - 60_000).await.is_empty());
    assert_eq!(claim(now).await, [webhook.id]);
    assert!(claim(now + 999).await.is_empty());
    assert_eq!(claim(now + 1_000).await, [webhook.id]);
    assert_eq!(store.due(webhook.id, now, 10).await.unwrap().len(), 1);
}

async fn what_is_asked_for_is_checked<B: Backend>() {
    let bed = Bed::<B>::new().await;
    let user = bed.fixture.user;
    let create = async |request| bed.webhooks.create(user, request).await;
    let field = |result: Result<WebhookOut, Error>| match result {
        Err(Error::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    for url in [
        "no url",
        "ftp://127.0.0.1/",
        "http://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://user:password@example.com/",
        &format!("https://example.com/{}", "x".repeat(2_048)),
    ] {
        assert_eq!(field(create(request(url)).await), "url", "{url}");
    }
    let unknown = WebhookIn {
        events: vec!["message.eaten".to_owned()],
        ..request("http://127.0.0.1/")
    };
    assert_eq!(field(create(unknown).await), "events");
    let long = WebhookIn {
        description: "x".repeat(257),
        ..request("http://127.0.0.1/")
    };
    assert_eq!(field(create(long).await), "description");
    for _ in 0..WEBHOOKS {
        create(request("http://127.0.0.1/")).await.unwrap();
    }
    let one_more = create(request("http://127.0.0.1/")).await;
    assert!(matches!(one_more, Err(Error::TooMany)));
    let all = bed.webhooks.list(user).await.unwrap().data;
    bed.webhooks.delete(user, all[0].id).await.unwrap();
    create(request("http://127.0.0.1/")).await.unwrap();

    let id = all[1].id;
    let inside = WebhookPatchIn {
        url: Some("https://[::1]/".to_owned()),
        ..WebhookPatchIn::default()
    };
    assert_eq!(field(bed.webhooks.change(user, id, inside).await), "url");
    let deaf = Webhooks::new(&bed.fixture.all, local(), false);
    let refused = deaf.create(user, request("http://127.0.0.1/")).await;
    assert!(matches!(refused, Err(Error::NotConfigured)));
}

async fn a_webhook_is_its_users_alone<B: Backend>() {
    let bed = Bed::<B>::new().await;
    let receiver = Receiver::start(Act::Answer(StatusCode::OK)).await.unwrap();
    let id = bed.webhook(&receiver).await.id;
    let other = Uuid::now_v7();
    let webhooks = &bed.webhooks;
    assert!(webhooks.list(other).await.unwrap().data.is_empty());
    let patch = WebhookPatchIn::default();
    for refused in [
        webhooks.get(other, id).await.err(),
        webhooks.change(other, id, patch).await.err(),
        webhooks.rotate(other, id).await.err(),
        webhooks.test(other, id).await.err(),
        webhooks.deliveries(other, id, None, None).await.err(),
        webhooks.delete(other, id).await.err(),
    ] {
        let not_found = matches!(refused, Some(Error::Store(store::Error::NotFound)));
        assert!(not_found, "{refused:?}");
    }
}

async fn nothing_of_a_webhook_can_be_read_in_the_database<B: Backend>() {
    let bed = Bed::<B>::new().await;
    let request = WebhookIn {
        description: "a crab".to_owned(),
        ..request("http://127.0.0.1/crab")
    };
    let webhook = bed
        .webhooks
        .create(bed.fixture.user, request)
        .await
        .unwrap();
    let number = async |query: String| bed.fixture.backend.number(query).await;
    // As bytes, because ciphertext is no text.
    for (column, text) in [
        ("url", "63726162"),
        ("description", "63726162"),
        ("secret", "7768736563"),
    ] {
        let found = format!("SELECT COUNT(*) FROM webhooks WHERE INSTR({column}, X'{text}') > 0");
        assert_eq!(number(found).await, 0, "{column}");
    }
    // Sealed for its place: a part that was exchanged for another is noticed.
    let exchange = format!(
        "UPDATE webhooks SET url = description WHERE id = {}",
        literal(webhook.id)
    );
    bed.fixture.backend.execute(exchange).await;
    let read = bed.webhooks.get(bed.fixture.user, webhook.id).await;
    assert!(matches!(read, Err(Error::Crypto(_))));
}

async fn old_messages_are_removed<B: Backend>() {
    let bed = Bed::<B>::new().await;
    let receiver = Receiver::start(Act::Answer(StatusCode::OK)).await.unwrap();
    let webhook = bed.webhook(&receiver).await;
    bed.tell(&[bed.event(), bed.event()]).await;
    receiver.wait_for(2).await;
    let store = bed.fixture.backend.store();
    let now = Timestamp::now().as_millisecond();
    assert_eq!(store.sweep_deliveries(now - KEPT).await.unwrap(), 0);
    assert_eq!(store.sweep_deliveries(now + 1_000).await.unwrap(), 2);
    assert!(bed.deliveries(webhook.id).await.is_empty());
}
