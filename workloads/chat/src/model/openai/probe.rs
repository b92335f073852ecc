//! Looks at the API, to report how it is: its list of models needs a good key and costs no tokens.

use std::time::Duration;

use chatbot_contract::report::{Dependency, DependencyName, DependencyState};

use super::Inner;
use super::wire::Models;

/// How long the list may take.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn probe(api: &Inner) -> Dependency {
    let (state, message) = look(api).await;
    Dependency {
        name: DependencyName::Model,
        state,
        message,
    }
}

async fn look(api: &Inner) -> (DependencyState, String) {
    let host = api.host();
    let request = match api
        .authorize(api.http.get(api.url("models")).timeout(LIMIT))
        .await
    {
        Ok(request) => request,
        // Without a key the API would refuse: the cure is the same.
        Err(failure) => return (DependencyState::Refused, failure.to_string()),
    };
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => {
            let error = chatbot_runtime::telemetry::chain(&error.without_url());
            return (
                DependencyState::Unreachable,
                format!("the model API at {host} cannot be reached: {error}"),
            );
        }
    };
    match response.status().as_u16() {
        200..=299 => match response.json::<Models>().await {
            Ok(models) => judge(host, &api.config.model, &models),
            Err(_) => (
                DependencyState::Failing,
                format!("{host} does not answer as a model API does; check the base URL"),
            ),
        },
        status @ (401 | 403) => (
            DependencyState::Refused,
            format!("the model API at {host} refuses the API key ({status})"),
        ),
        404 => (
            DependencyState::Failing,
            format!("{host} has no list of models there (404); check the base URL"),
        ),
        status => (
            DependencyState::Failing,
            format!("the model API at {host} answers with status {status}"),
        ),
    }
}

fn judge(host: &str, model: &str, models: &Models) -> (DependencyState, String) {
    if models.data.is_empty() || models.data.iter().any(|offered| offered.id == model) {
        return (
            DependencyState::Ok,
            format!("the model API at {host} offers `{model}`"),
        );
    }
    (
        DependencyState::Failing,
        format!("the model API at {host} does not offer the model `{model}`"),
    )
}
