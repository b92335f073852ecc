//! What a user has been answered: counted in the document store when it is asked for.

use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::get;
use chatbot_api::error::ErrorCode;
use chatbot_api::internal::storage;
use chatbot_api::usage::{DayUsageOut, UsageIn, UsageOut};
use chatbot_runtime::auth::{Caller, InternalAuth};
use chatbot_runtime::error::ApiError;
use chatbot_runtime::extract::Query;
use chatbot_runtime::telemetry;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::documents::{DayUsage, Documents, Error};

/// Days that are answered for when none are asked for, without the last.
const DAYS: i32 = 29;

/// Most days between the first and the last one.
const MOST: i32 = 366;

/// What the handler uses.
struct AppState<D> {
    documents: Option<D>,
    auth: InternalAuth,
}

impl<D: Clone> Clone for AppState<D> {
    fn clone(&self) -> Self {
        Self {
            documents: self.documents.clone(),
            auth: self.auth.clone(),
        }
    }
}

impl<D> FromRef<AppState<D>> for InternalAuth {
    fn from_ref(state: &AppState<D>) -> Self {
        state.auth.clone()
    }
}

/// The route; without a document store it says that there is none.
pub(crate) fn router<D: Documents + Clone>(documents: Option<D>, auth: InternalAuth) -> Router {
    Router::new()
        .route(storage::USAGE, get(usage::<D>))
        .with_state(AppState { documents, auth })
}

async fn usage<D: Documents + Clone>(
    State(AppState { documents, .. }): State<AppState<D>>,
    caller: Caller,
    Query(days): Query<UsageIn>,
) -> Result<axum::Json<UsageOut>, ApiError> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let (from, to) = span(days, today)?;
    let Some(documents) = documents else {
        let message =
            "usage is counted in a document store, and this system was set up without one";
        return Err(ApiError::new(ErrorCode::NotConfigured, message));
    };
    let usage = documents.usage(caller.user, from, to).await?;
    let data = usage.into_iter().map(DayUsageOut::from).collect();
    Ok(axum::Json(UsageOut { from, to, data }))
}

/// The first and the last day.
fn span(UsageIn { from, to }: UsageIn, today: Date) -> Result<(Date, Date), ApiError> {
    let to = to.unwrap_or(today);
    let from = from.unwrap_or_else(|| to.saturating_sub(Span::new().days(DAYS)));
    if from > to {
        let message = format!("`from` ({from}) is after `to` ({to})");
        return Err(ApiError::invalid("from", message));
    }
    if from < to.saturating_sub(Span::new().days(MOST)) {
        let message = format!("ask for at most {MOST} days: `from` is {from}, `to` is {to}");
        return Err(ApiError::invalid("from", message));
    }
    Ok((from, to))
}

impl From<DayUsage> for DayUsageOut {
    fn from(usage: DayUsage) -> Self {
        let DayUsage {
            day,
            model,
            turns,
            prompt_tokens,
            completion_tokens,
        } = usage;
        Self {
            day,
            model,
            turns,
            prompt_tokens,
            completion_tokens,
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Mongo(_) | Error::Refused { .. } | Error::Late => {
                tracing::warn!(
                    error = telemetry::chain(&error),
                    "usage cannot be counted: the document store failed"
                );
                Self::unavailable(
                    "usage is counted in the document store, which does not answer; try again later (chats go on)",
                )
            }
            Error::Sqlite(error) => error.into(),
            Error::Malformed(_) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use chatbot_api::usage::UsageIn;
    use jiff::civil::{Date, date};

    use super::span;

    const TODAY: Date = date(2026, 11, 27);

    fn of(from: Option<Date>, to: Option<Date>) -> Option<(Date, Date)> {
        span(UsageIn { from, to }, TODAY).ok()
    }

    #[test]
    fn without_days_the_last_thirty_are_meant() {
        assert_eq!(of(None, None), Some((date(2026, 10, 29), TODAY)));
        let may = date(2026, 5, 30);
        assert_eq!(of(None, Some(may)), Some((date(2026, 5, 1), may)));
    }

    #[test]
    fn a_span_that_is_empty_or_too_long_is_refused() {
        assert_eq!(of(Some(TODAY), Some(date(2026, 11, 26))), None);
        assert_eq!(of(Some(TODAY), Some(TODAY)), Some((TODAY, TODAY)));
        assert!(of(Some(date(2025, 11, 26)), None).is_some());
        assert_eq!(of(Some(date(2025, 11, 25)), None), None);
        assert!(of(None, Some(Date::MIN)).is_some());
    }
}
