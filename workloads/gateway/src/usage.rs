//! What the user has been answered: passed on to the storage workload.

use axum::Json as Body;
use axum::extract::State;
use chatbot_api::error::ErrorOut;
use chatbot_api::internal::storage;
use chatbot_api::usage::{UsageIn, UsageOut};
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::Query;

use crate::Callees;
use crate::tokens::SignedIn;

/// The user's answered turns and their tokens, for each day and model. Without a document store 501, while it
/// does not answer 503.
#[utoipa::path(
    get, path = "/v1/usage", tag = "usage", params(UsageIn),
    responses(
        (status = 200, body = UsageOut),
        (status = "4XX", body = ErrorOut), (status = "5XX", body = ErrorOut)
    )
)]
pub(crate) async fn read(
    State(callees): State<Callees>,
    SignedIn(caller): SignedIn,
    Query(days): Query<UsageIn>,
) -> Result<Body<UsageOut>, ApiError> {
    let call = callees.storage.get(storage::USAGE, &[]).query(&days);
    call.on_behalf_of(&caller).receive().await.map(Body)
}
