//! The two halves of a turn.

use chatbot_api::conversations::Role;
use chatbot_runtime::mysql::{Abort, Tx};
use sqlx::MySqlConnection;
use uuid::Uuid;

use super::{Events, Read, Unit, rows};
use crate::store::event::NewEvent;
use crate::store::rows::role_number;
use crate::store::{Answered, Begun, Error, MessageRow, NewAnswer, NewTurn, Target};

/// Stores the user's message, or finds what the same key stored before.
///
/// When a first run's commit did happen though its outcome was unknown, the second run finds the
/// turn it made itself and takes it for a repeated request: the attempt becomes 2. That is
/// harmless: nobody was told of attempt 1, and the caller answers with the number it gets.
pub(super) async fn begin(mut tx: Tx, turn: &NewTurn, events: Events) -> Unit<Begun> {
    // The row that is there stays as it is, and is locked by this statement in either case.
    sqlx::query(
        "INSERT INTO idempotency (user_id, key_hash, request_hash, turn_id, created_at) VALUES (?, ?, ?, ?, ?) \
         ON DUPLICATE KEY UPDATE user_id = user_id",
    )
    .bind(turn.user_id)
    .bind(turn.key_hash.as_slice())
    .bind(turn.request_hash.as_slice())
    .bind(turn.turn_id)
    .bind(turn.now)
    .execute(&mut *tx)
    .await?;
    let (turn_id, request_hash, conversation): (Uuid, Vec<u8>, Option<Uuid>) = sqlx::query_as(
        "SELECT key_of.turn_id, key_of.request_hash, turn.conversation_id \
         FROM idempotency key_of LEFT JOIN turns turn ON turn.id = key_of.turn_id \
         WHERE key_of.user_id = ? AND key_of.key_hash = ?",
    )
    .bind(turn.user_id)
    .bind(turn.key_hash.as_slice())
    .fetch_one(&mut *tx)
    .await?;
    if request_hash != turn.request_hash {
        return Err(Abort::Refused(Error::KeyReused));
    }
    match conversation {
        Some(conversation) => begin_again(tx, turn, turn_id, conversation).await,
        None if turn_id == turn.turn_id => begin_new(tx, turn, events).await,
        // The key's turn was deleted with its conversation.
        None => Err(Abort::Refused(Error::NotFound)),
    }
}

async fn begin_new(mut tx: Tx, turn: &NewTurn, events: Events) -> Unit<Begun> {
    let conversation = turn.conversation.id();
    let last_seq = match &turn.conversation {
        Target::Existing(id) => rows::lock_conversation(&mut tx, turn.user_id, *id)
            .await?
            .ok_or(Abort::Refused(Error::NotFound))?,
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
    append(&mut tx, &message).await?;
    events
        .write(&mut tx, NewEvent::message(turn.user_id, &message)?)
        .await?;
    let history = history(&mut tx, turn, &message).await?;
    Ok(tx.done(Begun {
        message,
        attempt: 1,
        history,
        answer: None,
    }))
}

async fn begin_again(mut tx: Tx, turn: &NewTurn, turn_id: Uuid, conversation: Uuid) -> Unit<Begun> {
    let gone = || Abort::Refused(Error::NotFound);
    rows::lock_conversation(&mut tx, turn.user_id, conversation)
        .await?
        .ok_or_else(gone)?;
    let stored = rows::lock_turn(&mut tx, turn_id).await?.ok_or_else(gone)?;
    let message = rows::message_of_turn(&mut tx, turn_id, Role::User)
        .await?
        .ok_or_else(gone)?;
    if stored.answered() {
        let attempt = stored.attempt;
        let answer = rows::message_of_turn(&mut tx, turn_id, Role::Assistant)
            .await?
            .ok_or_else(gone)?;
        let answer = Some(stored.answer(answer));
        return Ok(tx.done(Begun {
            message,
            attempt,
            history: Vec::new(),
            answer,
        }));
    }
    let attempt = stored.attempt + 1;
    sqlx::query("UPDATE turns SET attempt = ? WHERE id = ?")
        .bind(attempt)
        .bind(turn_id)
        .execute(&mut *tx)
        .await?;
    let history = history(&mut tx, turn, &message).await?;
    Ok(tx.done(Begun {
        message,
        attempt,
        history,
        answer: None,
    }))
}

/// Gives a turn with its answer, where there is one.
pub(super) async fn read(
    mysql: &mut MySqlConnection,
    user: Uuid,
    turn: Uuid,
) -> Read<Option<Answered>> {
    let gone = || Abort::Refused(Error::NotFound);
    rows::conversation_of_turn(mysql, user, turn)
        .await?
        .ok_or_else(gone)?;
    let stored = rows::turn(mysql, turn).await?.ok_or_else(gone)?;
    if !stored.answered() {
        return Ok(None);
    }
    let message = rows::message_of_turn(mysql, turn, Role::User)
        .await?
        .ok_or_else(gone)?;
    let answer = rows::message_of_turn(mysql, turn, Role::Assistant)
        .await?
        .ok_or_else(gone)?;
    let answer = stored.answer(answer);
    Ok(Some(Answered { message, answer }))
}

/// Stores the answer of the newest attempt, or finds the one it stored before.
pub(super) async fn answer(mut tx: Tx, answer: &NewAnswer, events: Events) -> Unit<Answered> {
    let gone = || Abort::Refused(Error::NotFound);
    let last_seq = rows::lock_conversation(&mut tx, answer.user_id, answer.conversation_id)
        .await?
        .ok_or_else(gone)?;
    let turn = rows::lock_turn(&mut tx, answer.turn_id)
        .await?
        .ok_or_else(gone)?;
    if answer.attempt < turn.attempt {
        return Err(Abort::Refused(Error::Superseded));
    }
    if answer.attempt > turn.attempt {
        return Err(Abort::Refused(Error::NoSuchAttempt));
    }
    let message = rows::message_of_turn(&mut tx, answer.turn_id, Role::User)
        .await?
        .ok_or_else(gone)?;
    if turn.answered() {
        let stored = rows::message_of_turn(&mut tx, answer.turn_id, Role::Assistant)
            .await?
            .ok_or_else(gone)?;
        let answer = turn.answer(stored);
        return Ok(tx.done(Answered { message, answer }));
    }
    let stored = answer.message(last_seq + 1);
    append(&mut tx, &stored).await?;
    events
        .write(&mut tx, NewEvent::answer(answer, &stored)?)
        .await?;
    sqlx::query(
        "UPDATE turns SET answered_at = ?, finish_reason = ?, prompt_tokens = ?, completion_tokens = ? \
         WHERE id = ?",
    )
    .bind(answer.now)
    .bind(&answer.finish_reason)
    .bind(answer.usage.map(|usage| usage.prompt_tokens))
    .bind(answer.usage.map(|usage| usage.completion_tokens))
    .bind(answer.turn_id)
    .execute(&mut *tx)
    .await?;
    let answer = answer.stored(stored);
    Ok(tx.done(Answered { message, answer }))
}

/// Stores a message as the last one of its conversation, whose lock must be held.
async fn append(tx: &mut Tx, message: &MessageRow) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messages (conversation_id, seq, id, turn_id, role, content, model, created_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(message.conversation_id)
    .bind(message.seq)
    .bind(message.id)
    .bind(message.turn_id)
    .bind(role_number(message.role))
    .bind(&message.content)
    .bind(&message.model)
    .bind(message.created_at)
    .execute(&mut **tx)
    .await?;
    // Clocks of replicas differ: the time of the last change never goes back.
    sqlx::query(
        "UPDATE conversations SET last_seq = ?, updated_at = GREATEST(updated_at, ?) WHERE id = ?",
    )
    .bind(message.seq)
    .bind(message.created_at)
    .bind(message.conversation_id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The newest messages before `message`, in order: from what is remembered, or else from the table.
async fn history(
    tx: &mut MySqlConnection,
    turn: &NewTurn,
    message: &MessageRow,
) -> Result<Vec<MessageRow>, sqlx::Error> {
    let (conversation, seq, limit) = (message.conversation_id, message.seq, turn.history_limit);
    let read = rows::history(tx, conversation, seq, limit);
    turn.recent.before_or(seq, limit, read).await
}
