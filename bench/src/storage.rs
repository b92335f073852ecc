//! The storage workload as the chat workload calls it.

use chatbot_api::internal::{AnswerIn, BeginTurnIn, BeginTurnOut, storage};
use chatbot_api::turns::TurnOut;
use chatbot_contract::Workload;
use chatbot_runtime::auth::{Caller, InternalAuth, InternalAuthConfig};
use chatbot_runtime::client::{self, Client};
use chatbot_runtime::extract::IdempotencyKey;
use chatbot_runtime::request_id::RequestId;
use chatbot_testkit::deployment::Deployment;
use uuid::Uuid;

use crate::error::{Error, Result};

/// Messages of history that are asked for, as the chat workload does it.
const HISTORY: u32 = 200;

/// The storage of a deployment, in the name of a user. Clones share the connections.
#[derive(Clone)]
pub(crate) struct Storage {
    client: Client,
    user: Uuid,
}

impl Storage {
    /// The storage of a deployment, in the name of a new user.
    pub(crate) fn of(deployment: &Deployment) -> Result<Self> {
        let key = InternalAuthConfig {
            internal_key_file: deployment.internal_key_file(),
        };
        let auth = InternalAuth::load(&key, Workload::Chat)?;
        let base = deployment.base(Workload::Storage).parse();
        let base = base.map_err(|error| Error::turn("find storage", error))?;
        Ok(Self {
            client: Client::new(client::http(), Workload::Storage, base, auth),
            user: Uuid::now_v7(),
        })
    }

    /// The same in the name of another new user.
    pub(crate) fn another(&self) -> Self {
        Self {
            client: self.client.clone(),
            user: Uuid::now_v7(),
        }
    }

    /// Stores a message, in a new conversation where none is named.
    pub(crate) async fn begin(
        &self,
        conversation_id: Option<Uuid>,
        message: &str,
    ) -> Result<BeginTurnOut> {
        let request = BeginTurnIn {
            conversation_id,
            message: message.to_owned(),
            history_limit: HISTORY,
        };
        self.client
            .post(storage::TURNS, &[])
            .on_behalf_of(&self.caller())
            .key(&IdempotencyKey::random())
            .json(&request)
            .receive()
            .await
            .map_err(|error| Error::turn("begin a turn", error))
    }

    /// Stores its answer.
    pub(crate) async fn answer(&self, begun: &BeginTurnOut, answer: &str) -> Result<TurnOut> {
        let request = AnswerIn {
            attempt: begun.attempt,
            content: answer.to_owned(),
            model: "echo".to_owned(),
            finish_reason: "stop".to_owned(),
            usage: None,
        };
        self.client
            .put(storage::ANSWER, &[begun.message.turn_id])
            .on_behalf_of(&self.caller())
            .json(&request)
            .receive()
            .await
            .map_err(|error| Error::turn("end a turn", error))
    }

    fn caller(&self) -> Caller {
        Caller {
            user: self.user,
            request_id: RequestId::new(),
        }
    }
}
