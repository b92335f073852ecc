//! A workload that tells webhooks, without the log of events: a test tells it what happened.

use std::sync::Arc;
use std::time::Duration;

use chatbot_api::webhooks::{
    DeliveryOut, DeliveryStatus, DisabledReason, WebhookIn, WebhookOut, WebhookPatchIn,
};
use chatbot_contract::Workload;
use chatbot_contract::events::{Event, Kind, VERSION};
use chatbot_runtime::context::Context;
use chatbot_runtime::events::Handler as _;
use chatbot_storage::webhooks::Webhooks;
use chatbot_storage::webhooks::address::Rules;
use chatbot_storage::webhooks::consumer::Consumer;
use chatbot_storage::webhooks::sender::Sender;
use chatbot_testkit::receiver::Receiver;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::backend::Backend;
use crate::fixture::Fixture;

/// Nobody tells when a row changes: it is looked at again after this time.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// What the workload does with webhooks; the sender ends when the value is dropped.
pub(super) struct Bed<B: Backend> {
    pub(super) fixture: Arc<Fixture<B>>,
    pub(super) webhooks: Arc<Webhooks<B::Store>>,
    pub(super) consumer: Consumer<B::Store>,
    pub(super) sending: JoinHandle<()>,
}

impl<B: Backend> Drop for Bed<B> {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

pub(super) fn local() -> Rules {
    Rules {
        webhooks_allow_http: true,
        webhooks_allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
    }
}

pub(super) fn request(url: &str) -> WebhookIn {
    WebhookIn {
        url: url.to_owned(),
        events: Vec::new(),
        description: String::new(),
    }
}

impl<B: Backend> Bed<B> {
    pub(super) async fn new() -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self::on(Arc::new(Fixture::<B>::new().await), local())
    }

    fn on(fixture: Arc<Fixture<B>>, rules: Rules) -> Self {
        let webhooks = Arc::new(Webhooks::new(&fixture.all, rules, true));
        let context = Context::new(Workload::Storage);
        let sender = Sender::new(Arc::clone(&webhooks), &context);
        let sending = tokio::spawn(async move { sender.run(&context.shutdown).await });
        Self {
            fixture,
            consumer: Consumer(Arc::clone(&webhooks)),
            webhooks,
            sending,
        }
    }

    /// The same with other rules.
    pub(super) fn with(self, rules: Rules) -> Self {
        Self::on(Arc::clone(&self.fixture), rules)
    }

    pub(super) async fn webhook(&self, receiver: &Receiver) -> WebhookOut {
        let request = request(&receiver.url());
        self.webhooks
            .create(self.fixture.user, request)
            .await
            .unwrap()
    }

    pub(super) fn event(&self) -> Event {
        Event {
            id: Uuid::now_v7(),
            version: VERSION,
            time: Timestamp::now(),
            user_id: self.fixture.user,
            conversation_id: Uuid::now_v7(),
            seq: 3,
            kind: Kind::ConversationDeleted {},
        }
    }

    pub(super) async fn tell(&self, events: &[Event]) {
        self.consumer.handle(events).await.unwrap();
    }

    pub(super) async fn read(&self, webhook: Uuid) -> WebhookOut {
        self.webhooks.get(self.fixture.user, webhook).await.unwrap()
    }

    pub(super) async fn deliveries(&self, webhook: Uuid) -> Vec<DeliveryOut> {
        let page = self
            .webhooks
            .deliveries(self.fixture.user, webhook, None, None);
        page.await.unwrap().data
    }

    /// Waits until the newest message to a webhook stands like this after so many attempts.
    pub(super) async fn newest(
        &self,
        webhook: Uuid,
        status: DeliveryStatus,
        attempts: u32,
    ) -> DeliveryOut {
        loop {
            let newest = self.deliveries(webhook).await.into_iter().next();
            if let Some(newest) = newest
                && (newest.status, newest.attempts) == (status, attempts)
            {
                return newest;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(super) async fn disabled(&self, webhook: Uuid) -> DisabledReason {
        loop {
            if let Some(reason) = self.read(webhook).await.disabled_reason {
                return reason;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(super) async fn enable(&self, webhook: Uuid) -> WebhookOut {
        let request = WebhookPatchIn {
            disabled: Some(false),
            ..WebhookPatchIn::default()
        };
        let changed = self.webhooks.change(self.fixture.user, webhook, request);
        changed.await.unwrap()
    }

    /// Lets everything that waits be due.
    pub(super) async fn let_time_pass(&self) {
        for statement in [
            "UPDATE webhook_deliveries SET due_at = 1 WHERE due_at IS NOT NULL",
            "UPDATE webhooks SET held_until = 0, wake_at = 1",
        ] {
            self.fixture.backend.execute(statement.to_owned()).await;
        }
    }
}
