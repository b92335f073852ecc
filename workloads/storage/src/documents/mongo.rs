//! The document store behind MongoDB's protocol: FerretDB, or MongoDB itself.
//!
//! Only commands that FerretDB has are used, none of them with a transaction. What must not be lost to
//! a race is in one document: a removed message leaves a document without content in its place, which
//! an upsert that comes late meets and cannot replace; a number is replaced only while nobody has called it
//! stale since it was computed.

mod config;
mod document;
mod health;
mod numbers;

use std::collections::BTreeSet;
use std::time::Duration;

use chatbot_contract::requests::Request;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use jiff::civil::Date;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::{Client, Collection, Database};
use uuid::Uuid;

use super::{DayNumbers, DayUsage, Documents, Error, Position, Retention, Transcript, remembered};

pub use config::{Config, Settings};

/// One document for each message.
const TRANSCRIPTS: &str = "transcripts";

/// One document for each day and model.
const ANALYTICS: &str = "analytics";

/// One document for each request.
const REQUESTS: &str = "requests";

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Most bytes of content in one command: the protocol takes 48 MB in all.
const COMMAND: usize = 8 * 1024 * 1024;

/// The code of a write that another document with the same id is in the way of.
const DUPLICATE_KEY: i32 = 11_000;

/// The document store behind MongoDB's protocol. Clones share the connections.
#[derive(Clone)]
pub struct MongoDocuments {
    database: Database,
    hosts: String,
}

impl MongoDocuments {
    /// Makes the client; it connects when it is used.
    ///
    /// # Errors
    /// Fails when the settings contradict each other.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let client = Client::with_options(settings.client()?)?;
        Ok(Self {
            database: client.database(&settings.database),
            hosts: settings.hosts.clone(),
        })
    }

    fn collection(&self, name: &str) -> Collection<Document> {
        self.database.collection(name)
    }

    /// Runs several updates, each for itself; those are refused whose document is in the way of
    /// another one that says the same or more.
    async fn update(&self, collection: &str, updates: Vec<Document>) -> Result<(), Error> {
        if updates.is_empty() {
            return Ok(());
        }
        let command = doc! {"update": collection, "updates": updates, "ordered": false};
        let reply = within(self.database.run_command(command)).await?;
        let Ok(refused) = reply.get_array("writeErrors") else {
            return Ok(());
        };
        for error in refused.iter().filter_map(|error| error.as_document()) {
            let code = document::number(error, "code").unwrap_or_default();
            let code = i32::try_from(code).unwrap_or_default();
            if code != DUPLICATE_KEY {
                return Err(Error::Refused {
                    code,
                    message: error.get_str("errmsg").unwrap_or_default().to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The days and models whose numbers these transcripts are in, or were before they were removed:
    /// the process may have ended between a removal and its call.
    async fn days(&self, filter: Document) -> Result<BTreeSet<(String, String)>, Error> {
        let transcripts = self.collection(TRANSCRIPTS);
        let found: Vec<Document> = within(async {
            let found = transcripts
                .find(filter)
                .projection(doc! {"day": 1, "model": 1})
                .await?;
            found.try_collect().await
        })
        .await?;
        let days = found.iter().filter_map(|of| {
            let (day, model) = (of.get_str("day").ok()?, of.get_str("model").ok()?);
            Some((day.to_owned(), model.to_owned()))
        });
        Ok(days.collect())
    }

    async fn write(&self, transcripts: &[Transcript], retention: Retention) -> Result<(), Error> {
        let mut updates = Vec::new();
        let mut bytes = 0;
        for transcript in transcripts {
            bytes += transcript.message.content.len();
            if bytes > COMMAND && !updates.is_empty() {
                self.update(TRANSCRIPTS, std::mem::take(&mut updates))
                    .await?;
                bytes = transcript.message.content.len();
            }
            updates.push(doc! {
                "q": {"_id": transcript.message.id.to_string(), "removed": false},
                "u": document::of(transcript, retention),
                "upsert": true,
            });
        }
        self.update(TRANSCRIPTS, updates).await
    }
}

impl Documents for MongoDocuments {
    async fn prepare(&self) -> Result<(), Error> {
        let index = |name: &str, key: Document| doc! {"name": name, "key": key};
        // The server removes what has expired, within minutes.
        let expiry = doc! {"name": "by_expiry", "key": {"expires_at": 1}, "expireAfterSeconds": 0};
        let transcripts = [
            index("by_place", doc! {"conversation_id": 1, "seq": 1}),
            index("by_user", doc! {"user_id": 1, "day": 1}),
            index("by_day", doc! {"day": 1, "model": 1}),
            expiry.clone(),
        ];
        let requests = [
            index("by_time", doc! {"time": 1}),
            index("by_user", doc! {"user_id": 1, "time": 1}),
            expiry,
        ];
        let analytics = [index("by_staleness", doc! {"stale": 1})];
        for (collection, indexes) in [
            (TRANSCRIPTS, transcripts.as_slice()),
            (ANALYTICS, analytics.as_slice()),
            (REQUESTS, requests.as_slice()),
        ] {
            let command = doc! {"createIndexes": collection, "indexes": indexes.to_vec()};
            within(self.database.run_command(command)).await?;
        }
        Ok(())
    }

    async fn put(&self, transcripts: &[Transcript], retention: Retention) -> Result<(), Error> {
        self.write(transcripts, retention).await?;
        let days: BTreeSet<_> = transcripts
            .iter()
            .filter_map(|transcript| {
                let model = transcript.model()?.to_owned();
                Some((transcript.day().to_string(), model))
            })
            .collect();
        self.call_stale(days).await
    }

    async fn remove(
        &self,
        conversation: Uuid,
        messages: &[Uuid],
        now: Timestamp,
    ) -> Result<(), Error> {
        let ids: Vec<_> = messages.iter().map(Uuid::to_string).collect();
        let days = self.days(doc! {"_id": {"$in": ids.as_slice()}}).await?;
        let updates = ids
            .iter()
            .map(|id| {
                doc! {
                    "q": {"_id": id.as_str()},
                    "u": document::removal(conversation, now),
                    "upsert": true,
                }
            })
            .collect();
        self.update(TRANSCRIPTS, updates).await?;
        self.call_stale(days).await
    }

    async fn remove_conversation(&self, conversation: Uuid, now: Timestamp) -> Result<(), Error> {
        let transcripts = self.collection(TRANSCRIPTS);
        let of_it = doc! {"conversation_id": conversation.to_string()};
        let days = self.days(of_it.clone()).await?;
        let mut there = of_it;
        there.insert("removed", false);
        within(async {
            transcripts
                .update_many(there, document::removal(conversation, now))
                .await
        })
        .await?;
        self.call_stale(days).await
    }

    async fn renew(&self) -> Result<(), Error> {
        let transcripts = self.collection(TRANSCRIPTS);
        within(async { transcripts.delete_many(doc! {"removed": true}).await }).await?;
        let stale = doc! {"$set": {"stale": true}, "$inc": {"revision": 1_i64}};
        let analytics = self.collection(ANALYTICS);
        within(async { analytics.update_many(doc! {}, stale).await }).await?;
        Ok(())
    }

    async fn after(&self, after: Position, limit: u32) -> Result<Vec<Transcript>, Error> {
        let conversation = after.conversation.to_string();
        let seq = document::signed(after.seq);
        let later = doc! {
            "removed": false,
            "$or": [
                {"conversation_id": {"$gt": conversation.as_str()}},
                {"conversation_id": conversation.as_str(), "seq": {"$gt": seq}},
            ],
        };
        let found = within(async {
            let found = self
                .collection(TRANSCRIPTS)
                .find(later)
                .sort(doc! {"conversation_id": 1, "seq": 1})
                .limit(i64::from(limit))
                .await?;
            found.try_collect::<Vec<_>>().await
        })
        .await?;
        found.iter().map(document::transcript).collect()
    }

    async fn usage(&self, user: Uuid, from: Date, to: Date) -> Result<Vec<DayUsage>, Error> {
        self.usage_of(user, from, to).await
    }

    async fn compute(&self, since: Option<Date>) -> Result<(), Error> {
        self.compute_stale(since).await
    }

    async fn numbers(&self) -> Result<Vec<DayNumbers>, Error> {
        self.all_numbers().await
    }

    async fn note(&self, requests: &[Request], retention: Retention) -> Result<(), Error> {
        let updates = requests
            .iter()
            .map(|request| {
                doc! {
                    "q": {"_id": request.id.to_string()},
                    "u": document::of_request(request, retention),
                    "upsert": true,
                }
            })
            .collect();
        self.update(REQUESTS, updates).await
    }

    async fn requests(&self, from: Timestamp, limit: u32) -> Result<Vec<Request>, Error> {
        let later = doc! {"time": {"$gte": DateTime::from_millis(from.as_millisecond())}};
        let requests = self.collection(REQUESTS);
        let found: Vec<Document> = within(async {
            let found = requests
                .find(later)
                .sort(doc! {"time": 1, "_id": 1})
                .limit(i64::from(limit))
                .await?;
            found.try_collect().await
        })
        .await?;
        found.iter().map(document::request).collect()
    }

    /// The server does, by the index of `expires_at`.
    async fn expire(&self, _now: Timestamp) -> Result<(), Error> {
        Ok(())
    }
}

/// Ends what takes too long: the driver itself waits for an answer for ever.
async fn within<T>(
    command: impl IntoFuture<Output = mongodb::error::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(LIMIT, command).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Error::Late),
    }
}
