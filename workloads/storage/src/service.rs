//! Conversations as a caller sees them: makes ids and times, encrypts on the way in, decrypts on the way out.

pub(crate) mod keys;

use chatbot_api::conversations::{ConversationOut, MessageOut, Page, Role};
use chatbot_api::internal::{AnswerIn, BeginTurnIn, BeginTurnOut, TurnStateOut};
use chatbot_api::turns::TurnOut;
use chatbot_runtime::extract::IdempotencyKey;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::cache::Cache;
use crate::crypto::{self, DataKey, Place, Ring};
use crate::cursor::{self, ConversationCursor, MessageCursor};
use crate::recent::Recent;
use crate::store::{
    self, AnswerRow, ConversationRow, MessageRow, NewAnswer, NewTurn, Store, Target,
};
use keys::Keys;

/// Most characters of a message.
pub const MESSAGE_CHARACTERS: usize = 32_000;

/// Characters of a title.
const TITLE_CHARACTERS: usize = 60;

/// Most messages of history that a caller may ask for.
const HISTORY: u32 = 1_000;

/// Entries of a page: when none are asked for, and at most.
const PAGE: (u32, u32) = (50, 200);

/// Why a request is not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is out of range.
    #[error("{problem}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The message is too long.
    #[error("the message has {0} characters; at most {MESSAGE_CHARACTERS} are allowed")]
    TooLarge(usize),
    /// The store says no, or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Something stored cannot be read.
    #[error("failed to decrypt what is stored")]
    Crypto(#[from] crypto::Error),
    /// Something stored makes no sense.
    #[error("a stored time is out of range")]
    Time(#[from] jiff::Error),
}

impl From<cursor::Invalid> for Error {
    fn from(invalid: cursor::Invalid) -> Self {
        Self::Invalid {
            field: "cursor",
            problem: invalid.to_string(),
        }
    }
}

/// All conversations.
pub struct Conversations<S> {
    store: S,
    keys: Keys,
    cache: Option<Cache>,
}

impl<S: Store> Conversations<S> {
    /// Makes the service.
    pub fn new(store: S, ring: Ring) -> Self {
        Self {
            store,
            keys: Keys::new(ring),
            cache: None,
        }
    }

    /// Remembers the newest messages of each conversation there.
    #[must_use]
    pub fn caching(mut self, cache: Option<Cache>) -> Self {
        self.cache = cache;
        self
    }

    /// The keys of users, for what else is sealed with them.
    pub(crate) fn keys(&self) -> Keys {
        self.keys.clone()
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Stores the user's message once for each idempotency key.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn begin(
        &self,
        user: Uuid,
        key: &IdempotencyKey,
        request: BeginTurnIn,
    ) -> Result<BeginTurnOut, Error> {
        let BeginTurnIn {
            conversation_id,
            message,
            history_limit,
        } = request;
        let characters = message.chars().count();
        if characters > MESSAGE_CHARACTERS {
            return Err(Error::TooLarge(characters));
        }
        if characters == 0 {
            return Err(Error::Invalid {
                field: "message",
                problem: "the message is empty".to_owned(),
            });
        }
        let now = Timestamp::now().as_millisecond();
        let data_key = self.keys.get_or_make(&self.store, user, now).await?;
        let (turn_id, message_id) = (Uuid::now_v7(), Uuid::now_v7());
        let conversation = match conversation_id {
            Some(id) => Target::Existing(id),
            None => {
                let id = Uuid::now_v7();
                Target::New {
                    id,
                    title: data_key.seal(Place::Title { conversation: id }, &title(&message)),
                }
            }
        };
        let place = Place::Message {
            conversation: conversation.id(),
            message: message_id,
            role: Role::User,
        };
        let recent = match (&self.cache, conversation_id) {
            (Some(cache), Some(id)) => cache.read(id).await,
            _ => Recent::default(),
        };
        let new = NewTurn {
            user_id: user,
            key_hash: Sha256::digest(key.as_str()).into(),
            request_hash: data_key.fingerprint(&canonical(conversation_id, &message)),
            turn_id,
            message_id,
            content: data_key.seal(place, &message),
            conversation,
            now,
            history_limit: history_limit.min(HISTORY),
            recent,
        };
        let begun = self.store.begin(&new).await?;
        if let Some(cache) = &self.cache {
            cache.remember(&new, &begun).await;
        }
        let message = opened(&data_key, begun.message)?;
        let finished = match begun.answer {
            Some(answer) => Some(Box::new(turn(&data_key, message.clone(), answer)?)),
            None => None,
        };
        let history = begun
            .history
            .into_iter()
            .map(|row| opened(&data_key, row))
            .collect::<Result<_, _>>()?;
        Ok(BeginTurnOut {
            message,
            attempt: begun.attempt,
            history,
            finished,
        })
    }

    /// A turn that was begun.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn turn(&self, user: Uuid, turn_id: Uuid) -> Result<TurnStateOut, Error> {
        let Some(answered) = self.store.turn(user, turn_id).await? else {
            return Ok(TurnStateOut { finished: None });
        };
        let data_key = self.keys.get(&self.store, user).await?;
        let message = opened(&data_key, answered.message)?;
        let whole = turn(&data_key, message, answered.answer)?;
        Ok(TurnStateOut {
            finished: Some(Box::new(whole)),
        })
    }

    /// Stores the answer of a turn.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn answer(
        &self,
        user: Uuid,
        turn_id: Uuid,
        request: AnswerIn,
    ) -> Result<TurnOut, Error> {
        let AnswerIn {
            attempt,
            content,
            model,
            finish_reason,
            usage,
        } = request;
        for (field, text, most) in [
            ("model", &model, 128),
            ("finish_reason", &finish_reason, 32),
        ] {
            if text.chars().count() > most {
                let problem = format!("`{field}` has more than {most} characters");
                return Err(Error::Invalid { field, problem });
            }
        }
        let conversation_id = self.store.conversation_of_turn(user, turn_id).await?;
        let data_key = self.keys.get(&self.store, user).await?;
        let message_id = Uuid::now_v7();
        let place = Place::Message {
            conversation: conversation_id,
            message: message_id,
            role: Role::Assistant,
        };
        let answered = self
            .store
            .answer(&NewAnswer {
                user_id: user,
                turn_id,
                conversation_id,
                attempt,
                message_id,
                content: data_key.seal(place, &content),
                model,
                finish_reason,
                usage,
                now: Timestamp::now().as_millisecond(),
            })
            .await?;
        if let Some(cache) = &self.cache {
            cache.append(&answered.answer.message).await;
        }
        let message = opened(&data_key, answered.message)?;
        turn(&data_key, message, answered.answer)
    }

    /// One page of the user's conversations, newest first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list(
        &self,
        user: Uuid,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Page<ConversationOut>, Error> {
        let limit = page_size(limit)?;
        let after = cursor.map(ConversationCursor::decode).transpose()?;
        // One more than the page tells whether there is another one.
        let rows = self.store.conversations(user, after, limit + 1).await?;
        if rows.is_empty() {
            return Ok(Page {
                data: Vec::new(),
                next_cursor: None,
            });
        }
        let data_key = self.keys.get(&self.store, user).await?;
        let (rows, more) = cut(rows, limit);
        let last = rows.last().map(|row| ConversationCursor {
            updated_at: row.updated_at,
            id: row.id,
        });
        let data = rows
            .into_iter()
            .map(|row| conversation(&data_key, row))
            .collect::<Result<_, _>>()?;
        Ok(Page {
            data,
            next_cursor: last.filter(|_| more).map(ConversationCursor::encode),
        })
    }

    /// One conversation.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get(&self, user: Uuid, id: Uuid) -> Result<ConversationOut, Error> {
        let row = self.store.conversation(user, id).await?;
        let data_key = self.keys.get(&self.store, user).await?;
        conversation(&data_key, row)
    }

    /// One page of a conversation's messages, in order.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn messages(
        &self,
        user: Uuid,
        id: Uuid,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Page<MessageOut>, Error> {
        let limit = page_size(limit)?;
        let MessageCursor(after) = cursor
            .map(MessageCursor::decode)
            .transpose()?
            .unwrap_or(MessageCursor(0));
        let rows = self.store.messages(user, id, after, limit + 1).await?;
        if rows.is_empty() {
            return Ok(Page {
                data: Vec::new(),
                next_cursor: None,
            });
        }
        let data_key = self.keys.get(&self.store, user).await?;
        let (rows, more) = cut(rows, limit);
        let last = rows.last().map(|row| MessageCursor(row.seq));
        let data = rows
            .into_iter()
            .map(|row| opened(&data_key, row))
            .collect::<Result<_, _>>()?;
        Ok(Page {
            data,
            next_cursor: last.filter(|_| more).map(MessageCursor::encode),
        })
    }

    /// The message at a place of a conversation.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn message(&self, user: Uuid, id: Uuid, seq: u64) -> Result<MessageOut, Error> {
        let after = seq.saturating_sub(1);
        let rows = self.store.messages(user, id, after, 1).await?;
        let row = rows
            .into_iter()
            .find(|row| row.seq == seq)
            .ok_or(store::Error::NotFound)?;
        opened(&self.keys.get(&self.store, user).await?, row)
    }

    /// Removes a conversation and everything in it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete(&self, user: Uuid, id: Uuid) -> Result<(), Error> {
        let now = Timestamp::now().as_millisecond();
        self.store.delete(user, id, now).await?;
        if let Some(cache) = &self.cache {
            cache.forget(id).await;
        }
        Ok(())
    }
}

/// The request as bytes, the same for the same request: what its idempotency key stands for.
fn canonical(conversation: Option<Uuid>, message: &str) -> Vec<u8> {
    let conversation = conversation.unwrap_or(Uuid::nil());
    [conversation.as_bytes().as_slice(), message.as_bytes()].concat()
}

/// The beginning of the first message, in one line.
fn title(message: &str) -> String {
    let mut line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(TITLE_CHARACTERS) {
        line.truncate(end);
        line.push('…');
    }
    line
}

pub(crate) fn page_size(limit: Option<u32>) -> Result<u32, Error> {
    let (usual, most) = PAGE;
    match limit.unwrap_or(usual) {
        limit if (1..=most).contains(&limit) => Ok(limit),
        limit => {
            let problem = format!("`limit` is {limit}; it must be 1 to {most}");
            Err(Error::Invalid {
                field: "limit",
                problem,
            })
        }
    }
}

/// Cuts a list that may have one entry too many; says whether it had.
pub(crate) fn cut<T>(mut rows: Vec<T>, limit: u32) -> (Vec<T>, bool) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    (rows, more)
}

fn opened(key: &DataKey, row: MessageRow) -> Result<MessageOut, Error> {
    let MessageRow {
        id,
        conversation_id,
        turn_id,
        seq,
        role,
        content,
        model,
        created_at,
    } = row;
    let place = Place::Message {
        conversation: conversation_id,
        message: id,
        role,
    };
    let content = key.open(place, &content)?;
    let created_at = Timestamp::from_millisecond(created_at)?;
    Ok(MessageOut {
        id,
        conversation_id,
        turn_id,
        seq,
        role,
        content,
        model,
        created_at,
    })
}

fn conversation(key: &DataKey, row: ConversationRow) -> Result<ConversationOut, Error> {
    let ConversationRow {
        id,
        title,
        last_seq,
        created_at,
        updated_at,
    } = row;
    Ok(ConversationOut {
        id,
        title: key.open(Place::Title { conversation: id }, &title)?,
        created_at: Timestamp::from_millisecond(created_at)?,
        updated_at: Timestamp::from_millisecond(updated_at)?,
        last_seq,
    })
}

fn turn(key: &DataKey, message: MessageOut, answer: AnswerRow) -> Result<TurnOut, Error> {
    let AnswerRow {
        message: row,
        finish_reason,
        usage,
    } = answer;
    Ok(TurnOut {
        message,
        answer: opened(key, row)?,
        finish_reason,
        usage,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::{Error, page_size, title};

    #[test]
    fn a_title_is_the_beginning_in_one_line() {
        assert_eq!(title("  hello\n\tworld "), "hello world");
        let long = title(&"ä".repeat(100));
        assert_eq!(long.chars().count(), 61);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_page_has_one_to_two_hundred_entries() {
        assert_eq!(page_size(None).unwrap(), 50);
        assert_eq!(page_size(Some(200)).unwrap(), 200);
        for limit in [0, 201] {
            assert!(matches!(
                page_size(Some(limit)),
                Err(Error::Invalid { field: "limit", .. })
            ));
        }
    }
}
