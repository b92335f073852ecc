//! What the chat workload counts.

use std::time::Instant;

use chatbot_api::error::ErrorCode;
use chatbot_api::turns::Usage;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

/// Bounds of the time to the first piece, in seconds.
const SECONDS: [f64; 10] = [0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 30.0];

/// Counters of the workload. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    turns: Family<Outcome, Counter>,
    tokens: Family<Kind, Counter>,
    first_piece: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// A call of the model that runs.
pub(crate) struct Call<'a> {
    first_piece: Option<&'a Histogram>,
    since: Instant,
}

impl Metrics {
    /// Makes the counters and shows them in the process's metrics.
    #[must_use]
    pub fn new(process: &chatbot_runtime::metrics::Metrics) -> Self {
        let metrics = Self {
            turns: Family::default(),
            tokens: Family::default(),
            first_piece: Histogram::new(SECONDS),
        };
        process.register(|registry| {
            registry.register("turns", "Turns that ended, by how", metrics.turns.clone());
            registry.register(
                "model_tokens",
                "Tokens the model API told",
                metrics.tokens.clone(),
            );
            registry.register(
                "model_first_piece_seconds",
                "Time from the call of the model to the first piece of its answer",
                metrics.first_piece.clone(),
            );
        });
        metrics
    }

    /// Counts the end of a turn, by its error where it failed.
    pub(crate) fn turn(&self, error: Option<ErrorCode>) {
        let outcome = error
            .and_then(|code| serde_json::to_value(code).ok())
            .and_then(|code| code.as_str().map(str::to_owned));
        let outcome = outcome.unwrap_or_else(|| "done".to_owned());
        self.turns.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn tokens(&self, usage: Option<Usage>) {
        if let Some(Usage {
            prompt_tokens,
            completion_tokens,
        }) = usage
        {
            self.tokens
                .get_or_create(&Kind { kind: "prompt" })
                .inc_by(prompt_tokens);
            self.tokens
                .get_or_create(&Kind { kind: "completion" })
                .inc_by(completion_tokens);
        }
    }

    pub(crate) fn call(&self) -> Call<'_> {
        Call {
            first_piece: Some(&self.first_piece),
            since: Instant::now(),
        }
    }
}

impl Call<'_> {
    pub(crate) fn first_piece(&mut self) {
        if let Some(histogram) = self.first_piece.take() {
            histogram.observe(self.since.elapsed().as_secs_f64());
        }
    }
}
