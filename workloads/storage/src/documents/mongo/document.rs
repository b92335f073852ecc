//! Transcripts and requests as documents.

use chatbot_api::conversations::Role;
use chatbot_api::turns::Usage;
use chatbot_contract::requests::{Request, VERSION};
use jiff::Timestamp;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc};
use uuid::Uuid;

use super::{Error, Retention, Transcript, remembered};
use crate::store::MessageRow;

/// BSON's integers have a sign; no count here comes near the end of them.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The document of a transcript.
pub(super) fn of(transcript: &Transcript, retention: Retention) -> Document {
    let day = transcript.day().to_string();
    let Transcript {
        message,
        user_id,
        usage,
    } = transcript;
    let role = match message.role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let content = Binary {
        subtype: BinarySubtype::Generic,
        bytes: message.content.clone(),
    };
    let expires_at = retention
        .expires_at(message.created_at)
        .map(DateTime::from_millis);
    doc! {
        "_id": message.id.to_string(),
        "removed": false,
        "conversation_id": message.conversation_id.to_string(),
        "seq": signed(message.seq),
        "turn_id": message.turn_id.to_string(),
        "user_id": user_id.to_string(),
        "role": role,
        "day": day,
        "model": message.model.as_deref(),
        "prompt_tokens": usage.map(|usage| signed(usage.prompt_tokens)),
        "completion_tokens": usage.map(|usage| signed(usage.completion_tokens)),
        "created_at": DateTime::from_millis(message.created_at),
        "expires_at": expires_at,
        "content": content,
    }
}

/// The document of a request.
pub(super) fn of_request(request: &Request, retention: Retention) -> Document {
    let Request {
        version: _,
        id,
        time,
        request_id,
        method,
        route,
        status,
        error,
        milliseconds,
        user_id,
        agent,
    } = request;
    let expires_at = retention
        .expires_at(time.as_millisecond())
        .map(DateTime::from_millis);
    doc! {
        "_id": id.to_string(),
        "time": DateTime::from_millis(time.as_millisecond()),
        "request_id": request_id,
        "method": method,
        "route": route,
        "status": i32::from(*status),
        "error": error.as_deref(),
        "milliseconds": signed(*milliseconds),
        "user_id": user_id.map(|id| id.to_string()),
        "agent": agent.as_deref(),
        "expires_at": expires_at,
    }
}

/// The update that leaves of a document what keeps its message from being written again, and which
/// numbers it was in.
pub(super) fn removal(conversation: Uuid, now: Timestamp) -> Document {
    doc! {
        "$set": {
            "removed": true,
            "conversation_id": conversation.to_string(),
            "expires_at": DateTime::from_millis(remembered(now)),
        },
        "$unset": {
            "seq": "",
            "turn_id": "",
            "user_id": "",
            "role": "",
            "prompt_tokens": "",
            "completion_tokens": "",
            "created_at": "",
            "content": "",
        },
    }
}

/// The transcript of a document.
pub(super) fn transcript(document: &Document) -> Result<Transcript, Error> {
    let role = match text(document, "role")? {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => return Err(Error::Malformed(format!("{other} is no role"))),
    };
    let content = document
        .get_binary_generic("content")
        .map_err(|error| malformed("content", &error))?;
    let tokens = number(document, "prompt_tokens").zip(number(document, "completion_tokens"));
    Ok(Transcript {
        message: MessageRow {
            id: id(document, "_id")?,
            conversation_id: id(document, "conversation_id")?,
            turn_id: id(document, "turn_id")?,
            seq: number(document, "seq").unwrap_or_default(),
            role,
            content: content.clone(),
            model: document.get_str("model").ok().map(str::to_owned),
            created_at: time(document, "created_at")?,
        },
        user_id: id(document, "user_id")?,
        usage: tokens.map(|(prompt_tokens, completion_tokens)| Usage {
            prompt_tokens,
            completion_tokens,
        }),
    })
}

/// The request of a document.
pub(super) fn request(document: &Document) -> Result<Request, Error> {
    let owned = |name| document.get_str(name).ok().map(str::to_owned);
    let user = document.get_str("user_id").ok();
    let user_id = user.map(str::parse).transpose();
    let status = number(document, "status").and_then(|status| u16::try_from(status).ok());
    Ok(Request {
        version: VERSION,
        id: id(document, "_id")?,
        time: Timestamp::from_millisecond(time(document, "time")?)
            .map_err(|error| malformed("time", &error))?,
        request_id: text(document, "request_id")?.to_owned(),
        method: text(document, "method")?.to_owned(),
        route: text(document, "route")?.to_owned(),
        status: status.unwrap_or_default(),
        error: owned("error"),
        milliseconds: number(document, "milliseconds").unwrap_or_default(),
        user_id: user_id.map_err(|error: uuid::Error| malformed("user_id", &error))?,
        agent: owned("agent"),
    })
}

/// A time of a document, in milliseconds since 1970.
fn time(document: &Document, name: &str) -> Result<i64, Error> {
    let time = document.get_datetime(name);
    time.map(|time| time.timestamp_millis())
        .map_err(|error| malformed(name, &error))
}

/// A text of a document.
pub(super) fn text<'d>(document: &'d Document, name: &str) -> Result<&'d str, Error> {
    document
        .get_str(name)
        .map_err(|error| malformed(name, &error))
}

/// A number that is not negative, whichever of BSON's types a server gives it; nothing where there is none.
pub(super) fn number(document: &Document, name: &str) -> Option<u64> {
    match document.get(name)? {
        Bson::Int32(number) => u64::try_from(*number).ok(),
        Bson::Int64(number) => u64::try_from(*number).ok(),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast from a float saturates, and counts are far from its end"
        )]
        Bson::Double(number) => Some(*number as u64),
        _ => None,
    }
}

fn id(document: &Document, name: &str) -> Result<Uuid, Error> {
    text(document, name)?
        .parse()
        .map_err(|error| malformed(name, &error))
}

pub(super) fn malformed(name: &str, error: &dyn std::error::Error) -> Error {
    Error::Malformed(format!("{name}: {error}"))
}
