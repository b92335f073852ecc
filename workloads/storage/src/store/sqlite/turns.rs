//! The two halves of a turn; each runs alone, in one transaction.

use chatbot_api::conversations::Role;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::outbox;
use super::rows::{self, signed};
use crate::store::event::NewEvent;
use crate::store::rows::role_number;
use crate::store::{Answered, Begun, Error, MessageRow, NewAnswer, NewTurn, Target};

/// Stores the user's message, or finds what the same key stored before.
pub(super) async fn begin(tx: &mut SqliteConnection, turn: &NewTurn) -> Result<Begun, Error> {
    let before: Option<(Uuid, Vec<u8>)> = sqlx::query_as(
        "SELECT turn_id, request_hash FROM idempotency WHERE user_id = ? AND key_hash = ?",
    )
    .bind(turn.user_id)
    .bind(turn.key_hash.as_slice())
    .fetch_optional(&mut *tx)
    .await?;
    match before {
        None => begin_new(tx, turn).await,
        Some((_, request_hash)) if request_hash != turn.request_hash => Err(Error::KeyReused),
        Some((turn_id, _)) => begin_again(tx, turn, turn_id).await,
    }
}

async fn begin_new(tx: &mut SqliteConnection, turn: &NewTurn) -> Result<Begun, Error> {
    sqlx::query(
        "INSERT INTO idempotency (user_id, key_hash, request_hash, turn_id, created_at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(turn.user_id)
    .bind(turn.key_hash.as_slice())
    .bind(turn.request_hash.as_slice())
    .bind(turn.turn_id)
    .bind(turn.now)
    .execute(&mut *tx)
    .await?;
    let conversation = turn.conversation.id();
    let last_seq = match &turn.conversation {
        Target::Existing(id) => {
            let found = rows::conversation(tx, turn.user_id, *id).await?;
            found.ok_or(Error::NotFound)?.last_seq
        }
        Target::New { id, title } => {
            sqlx::query(
                "INSERT INTO conversations (id, user_id, title, last_seq, created_at, updated_at) \
                 VALUES (?, ?, ?, 0, ?, ?)",
            )
            .bind(id)
            .bind(turn.user_id)
            .bind(title)
            .bind(turn.now)
            .bind(turn.now)
            .execute(&mut *tx)
            .await?;
            0
        }
    };
    sqlx::query("INSERT INTO turns (id, conversation_id, user_id, attempt, created_at) VALUES (?, ?, ?, 1, ?)")
        .bind(turn.turn_id)
        .bind(conversation)
        .bind(turn.user_id)
        .bind(turn.now)
        .execute(&mut *tx)
        .await?;
    let message = MessageRow {
        id: turn.message_id,
        conversation_id: conversation,
        turn_id: turn.turn_id,
        seq: last_seq + 1,
        role: Role::User,
        content: turn.content.clone(),
        model: None,
        created_at: turn.now,
    };
    append(tx, &message).await?;
    outbox::write(tx, NewEvent::message(turn.user_id, &message)?).await?;
    let history = history(tx, turn, &message).await?;
    Ok(Begun {
        message,
        attempt: 1,
        history,
        answer: None,
    })
}

async fn begin_again(
    tx: &mut SqliteConnection,
    turn: &NewTurn,
    turn_id: Uuid,
) -> Result<Begun, Error> {
    // The key's turn may have been deleted with its conversation.
    let stored = rows::turn(tx, turn_id).await?.ok_or(Error::NotFound)?;
    let message = message_of_turn(tx, turn_id, Role::User).await?;
    if stored.answered() {
        let attempt = stored.attempt;
        let answer = message_of_turn(tx, turn_id, Role::Assistant).await?;
        return Ok(Begun {
            message,
            attempt,
            history: Vec::new(),
            answer: Some(stored.answer(answer)),
        });
    }
    let attempt = stored.attempt + 1;
    sqlx::query("UPDATE turns SET attempt = ? WHERE id = ?")
        .bind(attempt)
        .bind(turn_id)
        .execute(&mut *tx)
        .await?;
    let history = history(tx, turn, &message).await?;
    Ok(Begun {
        message,
        attempt,
        history,
        answer: None,
    })
}

/// Gives a turn with its answer, where there is one.
pub(super) async fn read(
    tx: &mut SqliteConnection,
    user: Uuid,
    turn: Uuid,
) -> Result<Option<Answered>, Error> {
    rows::conversation_of_turn(tx, user, turn)
        .await?
        .ok_or(Error::NotFound)?;
    let stored = rows::turn(tx, turn).await?.ok_or(Error::NotFound)?;
    if !stored.answered() {
        return Ok(None);
    }
    let message = message_of_turn(tx, turn, Role::User).await?;
    let answer = message_of_turn(tx, turn, Role::Assistant).await?;
    Ok(Some(Answered {
        message,
        answer: stored.answer(answer),
    }))
}

/// Stores the answer of the newest attempt, or finds the one it stored before.
pub(super) async fn answer(
    tx: &mut SqliteConnection,
    answer: &NewAnswer,
) -> Result<Answered, Error> {
    let turn_id = answer.turn_id;
    let last_seq = rows::conversation(tx, answer.user_id, answer.conversation_id)
        .await?
        .ok_or(Error::NotFound)?
        .last_seq;
    let turn = rows::turn(tx, turn_id).await?.ok_or(Error::NotFound)?;
    if answer.attempt < turn.attempt {
        return Err(Error::Superseded);
    }
    if answer.attempt > turn.attempt {
        return Err(Error::NoSuchAttempt);
    }
    let message = message_of_turn(tx, turn_id, Role::User).await?;
    if turn.answered() {
        let stored = message_of_turn(tx, turn_id, Role::Assistant).await?;
        let answer = turn.answer(stored);
        return Ok(Answered { message, answer });
    }
    let stored = answer.message(last_seq + 1);
    append(tx, &stored).await?;
    outbox::write(tx, NewEvent::answer(answer, &stored)?).await?;
    sqlx::query(
        "UPDATE turns SET answered_at = ?, finish_reason = ?, prompt_tokens = ?, completion_tokens = ? \
         WHERE id = ?",
    )
    .bind(answer.now)
    .bind(&answer.finish_reason)
    .bind(answer.usage.map(|usage| signed(usage.prompt_tokens)))
    .bind(answer.usage.map(|usage| signed(usage.completion_tokens)))
    .bind(turn_id)
    .execute(&mut *tx)
    .await?;
    let answer = answer.stored(stored);
    Ok(Answered { message, answer })
}

async fn message_of_turn(
    tx: &mut SqliteConnection,
    turn: Uuid,
    role: Role,
) -> Result<MessageRow, Error> {
    rows::message_of_turn(tx, turn, role)
        .await?
        .ok_or(Error::NotFound)
}

/// Stores a message as the last one of its conversation.
async fn append(tx: &mut SqliteConnection, message: &MessageRow) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messages (conversation_id, seq, id, turn_id, role, content, model, created_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(message.conversation_id)
    .bind(signed(message.seq))
    .bind(message.id)
    .bind(message.turn_id)
    .bind(role_number(message.role))
    .bind(&message.content)
    .bind(&message.model)
    .bind(message.created_at)
    .execute(&mut *tx)
    .await?;
    // A clock may be set back: the time of the last change never goes back.
    sqlx::query(
        "UPDATE conversations SET last_seq = ?, updated_at = MAX(updated_at, ?) WHERE id = ?",
    )
    .bind(signed(message.seq))
    .bind(message.created_at)
    .bind(message.conversation_id)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// The newest messages before `message`, in order: from what is remembered, or else from the table.
async fn history(
    tx: &mut SqliteConnection,
    turn: &NewTurn,
    message: &MessageRow,
) -> Result<Vec<MessageRow>, sqlx::Error> {
    let (conversation, seq, limit) = (message.conversation_id, message.seq, turn.history_limit);
    let read = rows::history(tx, conversation, seq, limit);
    turn.recent.before_or(seq, limit, read).await
}
