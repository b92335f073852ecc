//! The port to the storage workload, and the way there over HTTP.

use std::time::Duration;

use chatbot_api::internal::{AnswerIn, BeginTurnIn, BeginTurnOut, TurnStateOut, storage};
use chatbot_api::turns::TurnOut;
use chatbot_runtime::auth::Caller;
use chatbot_runtime::client::Client;
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::IdempotencyKey;
use uuid::Uuid;

/// How long one half of a turn may take, with all attempts: longer than a failover of MySQL.
const DEADLINE: Duration = Duration::from_secs(30);

/// Where turns are kept.
pub trait Storage: Send + Sync + 'static {
    /// Stores the user's message; the same key stores it once.
    fn begin(
        &self,
        caller: &Caller,
        key: &IdempotencyKey,
        turn: &BeginTurnIn,
    ) -> impl Future<Output = Result<BeginTurnOut, ApiError>> + Send;

    /// Gives a turn that was begun.
    fn turn(
        &self,
        caller: &Caller,
        turn: Uuid,
    ) -> impl Future<Output = Result<TurnStateOut, ApiError>> + Send;

    /// Stores the answer; the same attempt stores it once.
    fn answer(
        &self,
        caller: &Caller,
        turn: Uuid,
        answer: &AnswerIn,
    ) -> impl Future<Output = Result<TurnOut, ApiError>> + Send;
}

impl Storage for Client {
    async fn begin(
        &self,
        caller: &Caller,
        key: &IdempotencyKey,
        turn: &BeginTurnIn,
    ) -> Result<BeginTurnOut, ApiError> {
        self.post(storage::TURNS, &[])
            .on_behalf_of(caller)
            .key(key)
            .json(turn)
            .deadline(DEADLINE)
            .receive()
            .await
    }

    async fn turn(&self, caller: &Caller, turn: Uuid) -> Result<TurnStateOut, ApiError> {
        self.get(storage::TURN, &[turn])
            .on_behalf_of(caller)
            .receive()
            .await
    }

    async fn answer(
        &self,
        caller: &Caller,
        turn: Uuid,
        answer: &AnswerIn,
    ) -> Result<TurnOut, ApiError> {
        self.put(storage::ANSWER, &[turn])
            .on_behalf_of(caller)
            .json(answer)
            .deadline(DEADLINE)
            .receive()
            .await
    }
}
