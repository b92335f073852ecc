//! A model that says what it was told: for trying a deployment without a model API.

use chatbot_api::turns::Usage;
use chatbot_contract::report::{Dependency, DependencyName, DependencyState};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};

use super::{Ending, Failure, Model, Question, Said, Speaker};

/// The name it goes by.
const NAME: &str = "echo";

/// A model that says what it was told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Model for Echo {
    fn answer(&self, question: Question) -> BoxStream<'static, Result<Said, Failure>> {
        let last = question
            .lines
            .iter()
            .rev()
            .find(|line| line.speaker == Speaker::User);
        let text = last
            .map(|line| format!("You said: {}", line.content))
            .unwrap_or_default();
        // A word is what it calls a token.
        let words = |text: &str| u64::try_from(text.split_whitespace().count()).unwrap_or(u64::MAX);
        let usage = Usage {
            prompt_tokens: question.lines.iter().map(|line| words(&line.content)).sum(),
            completion_tokens: words(&text),
        };
        let end = Ending {
            model: NAME.to_owned(),
            finish_reason: "stop".to_owned(),
            usage: Some(usage),
        };
        let pieces: Vec<_> = text
            .split_inclusive(' ')
            .map(|word| Ok(Said::Text(word.to_owned())))
            .collect();
        stream::iter(pieces)
            .chain(stream::iter([Ok(Said::End(end))]))
            .boxed()
    }

    fn name(&self, _: &Question) -> String {
        NAME.to_owned()
    }

    async fn probe(&self) -> Dependency {
        let message = "answers are echoes: no model API is set up".to_owned();
        Dependency {
            name: DependencyName::Model,
            state: DependencyState::Ok,
            message,
        }
    }
}
