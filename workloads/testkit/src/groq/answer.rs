//! The answer and its pieces.

use serde_json::{Value, json};

use super::Directive;

/// The text of the answer to `message`.
pub(super) fn text(message: &str, directive: &Directive) -> String {
    let more: String = (1..=directive.words)
        .map(|number| format!(" w{number}"))
        .collect();
    format!("You said: {message}{more}")
}

/// Cuts the text into the pieces of a stream.
pub(super) fn pieces(text: &str, chunks: Option<usize>) -> Vec<String> {
    let Some(chunks) = chunks else {
        return text.split_inclusive(' ').map(str::to_owned).collect();
    };
    let characters: Vec<char> = text.chars().collect();
    let chunks = chunks.clamp(1, characters.len().max(1));
    // Piece n ends where n/chunks of the text end, so that the sizes differ by one at most.
    (0..chunks)
        .map(|n| {
            let (from, to) = (
                n * characters.len() / chunks,
                (n + 1) * characters.len() / chunks,
            );
            characters
                .get(from..to)
                .unwrap_or_default()
                .iter()
                .collect()
        })
        .collect()
}

/// Tokens as Groq tells them; four characters count as one.
pub(super) fn usage(prompt: &str, answer: &str) -> Value {
    let (prompt, completion) = (
        prompt.chars().count().div_ceil(4),
        answer.chars().count().div_ceil(4),
    );
    json!({
        "queue_time": 0.001,
        "prompt_tokens": prompt,
        "prompt_time": 0.002,
        "completion_tokens": completion,
        "completion_time": 0.05,
        "total_tokens": prompt + completion,
        "total_time": 0.052,
    })
}

#[cfg(test)]
mod tests {
    use super::{pieces, text};
    use crate::groq::Directive;

    #[test]
    fn the_pieces_are_the_whole_text() {
        let text = text("a b c", &Directive::default());
        assert_eq!(text, "You said: a b c");
        assert_eq!(pieces(&text, None), ["You ", "said: ", "a ", "b ", "c"]);
        for chunks in [1, 2, 7, 15, 100] {
            assert_eq!(pieces(&text, Some(chunks)).concat(), text);
        }
        assert_eq!(pieces(&text, Some(7)).len(), 7);
    }
}
