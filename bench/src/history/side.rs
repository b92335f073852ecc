//! A storage process with conversations.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chatbot_api::internal::BeginTurnOut;
use chatbot_contract::Workload;
use chatbot_testkit::deployment::{Deployment, Setup};
use chatbot_testkit::mysql::Mysql;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use crate::error::Result;
use crate::storage::Storage;

/// What people say.
pub(super) const MESSAGE: &str = "How far is it from here to there, if one goes the whole way on foot, rests on every \
                                  hill, and carries what is needed for a week?";

/// What they are answered.
pub(super) const ANSWER: &str = "It is about as far as it seems. On foot one goes four to five kilometres in an hour; with \
                                 hills, rests and what is needed for a week it is rather three. So a way of sixty \
                                 kilometres takes twenty hours of going, which is three days for most people and two for \
                                 those who are in a hurry. Take water for the first day: after that there are springs, \
                                 which the map shows in blue. The last hill is the steepest one; who rests before it \
                                 arrives sooner than who does not.";

/// Conversations of each side.
pub(super) const CONVERSATIONS: usize = 50;

/// Conversations that are made at once.
const AT_ONCE: usize = 4;

/// One storage process on schemas of its own, with conversations.
pub(super) struct Side {
    deployment: Deployment,
    storage: Storage,
    conversations: Vec<Uuid>,
}

impl Side {
    /// Starts it, and makes conversations of so many messages.
    pub(super) async fn start(
        program: &Path,
        mysql: &Arc<Mysql>,
        history_cache: bool,
        messages: u32,
    ) -> Result<Self> {
        let deployment = Deployment::start(Setup {
            workloads: vec![Workload::Storage],
            mysql: Some(Arc::clone(mysql)),
            history_cache,
            ..Setup::of(program.to_owned())
        })
        .await?;
        let mut side = Self {
            storage: Storage::of(&deployment)?,
            deployment,
            conversations: Vec::new(),
        };
        let filled = stream::iter(0..CONVERSATIONS)
            .map(|_| side.fill(messages))
            .buffered(AT_ONCE);
        side.conversations = filled.try_collect().await?;
        Ok(side)
    }

    /// Its account at MySQL.
    pub(super) fn account(&self) -> &str {
        self.deployment.account()
    }

    /// Makes a conversation of so many messages; gives its id.
    async fn fill(&self, messages: u32) -> Result<Uuid> {
        let first = self.storage.begin(None, MESSAGE).await?;
        let conversation = first.message.conversation_id;
        self.storage.answer(&first, ANSWER).await?;
        for _ in 1..messages.div_ceil(2) {
            let begun = self.storage.begin(Some(conversation), MESSAGE).await?;
            self.storage.answer(&begun, ANSWER).await?;
        }
        Ok(conversation)
    }

    /// Begins a turn, which is timed, and ends it, which is not.
    pub(super) async fn turn(&self, place: usize) -> Result<Duration> {
        let began = Instant::now();
        let begun = self.begin(place).await?;
        let took = began.elapsed();
        self.storage.answer(&begun, ANSWER).await?;
        Ok(took)
    }

    /// Begins a turn in one of the conversations.
    pub(super) async fn begin(&self, place: usize) -> Result<BeginTurnOut> {
        let conversation = self.conversations[place];
        self.storage.begin(Some(conversation), MESSAGE).await
    }
}
