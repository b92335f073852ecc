//! A storage process, and the chat workload's part towards it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chatbot_api::internal::{AnswerIn, BeginTurnIn, BeginTurnOut, storage};
use chatbot_api::turns::TurnOut;
use chatbot_contract::Workload;
use chatbot_runtime::auth::{Caller, InternalAuth, InternalAuthConfig};
use chatbot_runtime::client::{self, Client};
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::IdempotencyKey;
use chatbot_runtime::request_id::RequestId;
use chatbot_testkit::deployment::{Deployment, Setup};
use chatbot_testkit::mysql::Mysql;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use crate::error::{Error, Result};

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

/// Messages of history that are asked for, as the chat workload does it.
const HISTORY: u32 = 200;

/// Conversations of each side.
pub(super) const CONVERSATIONS: usize = 50;

/// Conversations that are made at once.
const AT_ONCE: usize = 4;

/// One storage process on schemas of its own, with conversations.
pub(super) struct Side {
    deployment: Deployment,
    storage: Client,
    user: Uuid,
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
        let key = InternalAuthConfig {
            internal_key_file: deployment.internal_key_file(),
        };
        let auth = InternalAuth::load(&key, Workload::Chat)?;
        let base = deployment.base(Workload::Storage).parse();
        let base = base.map_err(|error| Error::turn("find storage", error))?;
        let mut side = Self {
            storage: Client::new(client::http(), Workload::Storage, base, auth),
            deployment,
            user: Uuid::now_v7(),
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
        let first = self.begin_in(None).await?;
        let conversation = first.message.conversation_id;
        self.answer(&first).await?;
        for _ in 1..messages.div_ceil(2) {
            let begun = self.begin_in(Some(conversation)).await?;
            self.answer(&begun).await?;
        }
        Ok(conversation)
    }

    /// Begins a turn, which is timed, and ends it, which is not.
    pub(super) async fn turn(&self, place: usize) -> Result<Duration> {
        let began = Instant::now();
        let begun = self.begin(place).await?;
        let took = began.elapsed();
        self.answer(&begun).await?;
        Ok(took)
    }

    /// Begins a turn in one of the conversations.
    pub(super) async fn begin(&self, place: usize) -> Result<BeginTurnOut> {
        self.begin_in(Some(self.conversations[place])).await
    }

    async fn begin_in(&self, conversation_id: Option<Uuid>) -> Result<BeginTurnOut> {
        let request = BeginTurnIn {
            conversation_id,
            message: MESSAGE.to_owned(),
            history_limit: HISTORY,
        };
        self.storage
            .post(storage::TURNS, &[])
            .on_behalf_of(&self.caller())
            .key(&IdempotencyKey::random())
            .json(&request)
            .receive()
            .await
            .map_err(failed("begin a turn"))
    }

    async fn answer(&self, begun: &BeginTurnOut) -> Result<TurnOut> {
        let request = AnswerIn {
            attempt: begun.attempt,
            content: ANSWER.to_owned(),
            model: "echo".to_owned(),
            finish_reason: "stop".to_owned(),
            usage: None,
        };
        self.storage
            .put(storage::ANSWER, &[begun.message.turn_id])
            .on_behalf_of(&self.caller())
            .json(&request)
            .receive()
            .await
            .map_err(failed("end a turn"))
    }

    fn caller(&self) -> Caller {
        Caller {
            user: self.user,
            request_id: RequestId::new(),
        }
    }
}

fn failed(step: &'static str) -> impl FnOnce(ApiError) -> Error {
    move |error| Error::turn(step, error)
}
