//! What a request asks the stand-in to do.

use std::time::Duration;

/// What shall happen, besides the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directive {
    /// Answer with this error.
    pub status: Option<u16>,
    /// The error's `retry-after`, in seconds.
    pub retry_after: Option<u64>,
    /// The error's `x-should-retry`.
    pub should_retry: Option<bool>,
    /// Only so many requests with the same message.
    pub times: Option<u32>,
    /// No answer at all.
    pub hang: bool,
    /// Wait before the answer begins.
    pub first: Duration,
    /// Wait before each further piece.
    pub delay: Duration,
    /// Pieces of the stream; one a word otherwise.
    pub chunks: Option<usize>,
    /// Further words at the end.
    pub words: usize,
    /// Why the answer ends.
    pub finish: Option<String>,
    /// Tell no tokens.
    pub no_usage: bool,
    /// How the stream breaks, after so many pieces.
    pub breaks: Option<(Break, usize)>,
}

/// A way in which a stream breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// An error as a data event.
    Error,
    /// An error as an event named `error`.
    ErrorEvent,
    /// A last chunk with `x_groq.error`.
    Stopped,
    /// Nothing more comes.
    Stall,
    /// The connection is cut.
    Cut,
}

impl Directive {
    /// Reads the directive in a message, where there is one.
    #[must_use]
    pub fn in_message(message: &str) -> Option<Self> {
        let (_, rest) = message.split_once("[[mock:")?;
        let (words, _) = rest.split_once("]]")?;
        Some(Self::parse(
            words
                .split_whitespace()
                .map(|word| word.split_once('=').unwrap_or((word, ""))),
        ))
    }

    /// Reads the directive in a model's name, where there is one.
    #[must_use]
    pub fn in_model(model: &str) -> Option<Self> {
        let parts: Vec<&str> = model.strip_prefix("mock-")?.split('-').collect();
        Some(Self::parse(parts.chunks(2).map(|pair| match pair {
            [name, value] => (*name, *value),
            [name, ..] => (*name, ""),
            [] => ("", ""),
        })))
    }

    /// Words that say nothing known are passed over: a person may write anything between brackets.
    fn parse<'a>(words: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut directive = Self::default();
        for (name, value) in words {
            let number = value.parse::<u64>().ok();
            let count = number.and_then(|number| usize::try_from(number).ok());
            let millis = Duration::from_millis(number.unwrap_or(0));
            let breaks = |way| count.map(|count| (way, count));
            match name {
                "status" => directive.status = value.parse().ok(),
                "retry_after" => directive.retry_after = number,
                "should_retry" => directive.should_retry = value.parse().ok(),
                "times" => directive.times = value.parse().ok(),
                "hang" => directive.hang = true,
                "first_ms" => directive.first = millis,
                "delay_ms" => directive.delay = millis,
                "chunks" => directive.chunks = count,
                "words" => directive.words = count.unwrap_or(0),
                "finish" => directive.finish = Some(value.to_owned()),
                "no_usage" => directive.no_usage = true,
                "error_at" => directive.breaks = breaks(Break::Error),
                "error_event_at" => directive.breaks = breaks(Break::ErrorEvent),
                "stopped_at" => directive.breaks = breaks(Break::Stopped),
                "stall_at" => directive.breaks = breaks(Break::Stall),
                "cut_at" => directive.breaks = breaks(Break::Cut),
                _ => {}
            }
        }
        directive
    }
}

#[cfg(test)]
mod tests {
    use super::{Break, Directive};
    use std::time::Duration;

    #[test]
    fn a_message_says_what_shall_happen() {
        let directive =
            Directive::in_message("hello [[mock: status=429 retry_after=1 times=2]] there");
        let expected = Directive {
            status: Some(429),
            retry_after: Some(1),
            times: Some(2),
            ..Directive::default()
        };
        assert_eq!(directive, Some(expected));
        assert_eq!(Directive::in_message("hello"), None);
    }

    #[test]
    fn a_model_says_what_shall_happen() {
        let directive = Directive::in_model("mock-stall_at-2-delay_ms-5");
        let expected = Directive {
            breaks: Some((Break::Stall, 2)),
            delay: Duration::from_millis(5),
            ..Directive::default()
        };
        assert_eq!(directive, Some(expected));
        assert_eq!(Directive::in_model("llama-3.1-8b-instant"), None);
    }
}
