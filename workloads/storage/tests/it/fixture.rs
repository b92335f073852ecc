//! A storage workload with a database of its own.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatbot_api::conversations::MessageOut;
use chatbot_api::internal::{AnswerIn, BeginTurnIn, BeginTurnOut};
use chatbot_api::turns::{TurnOut, Usage};
use chatbot_contract::identity::{KeyRing, RingKey};
use chatbot_runtime::extract::IdempotencyKey;
use chatbot_storage::crypto::Ring;
use chatbot_storage::service::{Conversations, Error};
use uuid::Uuid;

use crate::backend::Backend;

/// The workload and what is under it.
pub(crate) struct Fixture<B: Backend> {
    pub(crate) all: Arc<Conversations<B::Store>>,
    pub(crate) backend: B,
    pub(crate) user: Uuid,
}

pub(crate) fn ring() -> Ring {
    let key = RingKey {
        id: "1".to_owned(),
        secret: STANDARD.encode([7; 32]),
    };
    Ring::new(KeyRing {
        current: "1".to_owned(),
        keys: vec![key],
    })
    .unwrap()
}

pub(crate) fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text.as_bytes()).unwrap()
}

impl<B: Backend> Fixture<B> {
    pub(crate) async fn new() -> Self {
        let backend = B::new().await;
        Self {
            all: Arc::new(Conversations::new(backend.store(), ring())),
            backend,
            user: Uuid::now_v7(),
        }
    }

    /// The same store as another process sees it, without anything in memory.
    pub(crate) fn another_process(&self) -> Conversations<B::Store> {
        Conversations::new(self.backend.store(), ring())
    }

    pub(crate) async fn begin(
        &self,
        conversation: Option<Uuid>,
        key: &str,
        message: &str,
    ) -> Result<BeginTurnOut, Error> {
        let request = BeginTurnIn {
            conversation_id: conversation,
            message: message.to_owned(),
            history_limit: 100,
        };
        self.all.begin(self.user, &self::key(key), request).await
    }

    pub(crate) async fn answer(
        &self,
        turn: Uuid,
        attempt: u32,
        content: &str,
    ) -> Result<TurnOut, Error> {
        let request = AnswerIn {
            attempt,
            content: content.to_owned(),
            model: "test-model".to_owned(),
            finish_reason: "stop".to_owned(),
            usage: Some(Usage {
                prompt_tokens: 3,
                completion_tokens: 5,
            }),
        };
        self.all.answer(self.user, turn, request).await
    }

    /// All messages of a conversation.
    pub(crate) async fn messages(&self, conversation: Uuid) -> Vec<MessageOut> {
        self.all
            .messages(self.user, conversation, None, Some(200))
            .await
            .unwrap()
            .data
    }
}
