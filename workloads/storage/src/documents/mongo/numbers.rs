//! Numbers of days and models, computed by the server.
//!
//! A document of `analytics` that is stale says so, and its revision grows each time it is called
//! so. Numbers that were computed are written only over the revision they were computed for: whatever
//! was written to `transcripts` before a call is in the numbers that follow it.

use std::collections::BTreeSet;

use futures::TryStreamExt as _;
use jiff::civil::Date;
use mongodb::bson::{Document, doc};
use uuid::Uuid;

use super::document::{malformed, number, text};
use super::{ANALYTICS, DayNumbers, DayUsage, Error, MongoDocuments, TRANSCRIPTS, within};

/// Most numbers of one computation.
const STALE: i64 = 1_000;

impl MongoDocuments {
    /// Says that the numbers of these days and models have to be computed.
    pub(super) async fn call_stale(&self, days: BTreeSet<(String, String)>) -> Result<(), Error> {
        let updates = days
            .into_iter()
            .map(|(day, model)| {
                doc! {
                    "q": {"_id": format!("{day}/{model}")},
                    "u": {
                        "$set": {"day": day, "model": model, "stale": true},
                        "$inc": {"revision": 1_i64},
                    },
                    "upsert": true,
                }
            })
            .collect();
        self.update(ANALYTICS, updates).await
    }

    pub(super) async fn usage_of(
        &self,
        user: Uuid,
        from: Date,
        to: Date,
    ) -> Result<Vec<DayUsage>, Error> {
        let answers = doc! {
            "user_id": user.to_string(),
            "day": {"$gte": from.to_string(), "$lte": to.to_string()},
            "role": "assistant",
            "removed": false,
        };
        let pipeline = [
            doc! {"$match": answers},
            doc! {"$group": {
                "_id": {"day": "$day", "model": "$model"},
                "turns": {"$sum": 1},
                "prompt_tokens": {"$sum": "$prompt_tokens"},
                "completion_tokens": {"$sum": "$completion_tokens"},
            }},
        ];
        let mut usage = Vec::new();
        for group in self.aggregate(pipeline).await? {
            let of = group
                .get_document("_id")
                .map_err(|error| malformed("_id", &error))?;
            usage.push(counts(of, &group)?);
        }
        usage.sort_by(|one, other| (one.day, &one.model).cmp(&(other.day, &other.model)));
        Ok(usage)
    }

    pub(super) async fn compute_stale(&self, since: Option<Date>) -> Result<(), Error> {
        let analytics = self.collection(ANALYTICS);
        let stale: Vec<Document> = within(async {
            let found = analytics.find(doc! {"stale": true}).limit(STALE).await?;
            found.try_collect().await
        })
        .await?;
        for of in stale {
            let day = day(&of)?;
            let model = text(&of, "model")?;
            let mut set = doc! {"stale": false};
            if since.is_none_or(|since| day >= since) {
                set.extend(self.count(day, model).await?);
            }
            let this = doc! {"_id": text(&of, "_id")?, "revision": of.get("revision").cloned()};
            within(async { analytics.update_one(this, doc! {"$set": set}).await }).await?;
        }
        Ok(())
    }

    pub(super) async fn all_numbers(&self) -> Result<Vec<DayNumbers>, Error> {
        let found: Vec<Document> = within(async {
            let found = self
                .collection(ANALYTICS)
                .find(doc! {"turns": {"$gt": 0}})
                .sort(doc! {"day": 1, "model": 1})
                .await?;
            found.try_collect().await
        })
        .await?;
        found
            .iter()
            .map(|of| {
                Ok(DayNumbers {
                    usage: counts(of, of)?,
                    users: number(of, "users").unwrap_or_default(),
                })
            })
            .collect()
    }

    /// The numbers of a day and a model.
    async fn count(&self, day: Date, model: &str) -> Result<Document, Error> {
        let answers = doc! {
            "day": day.to_string(),
            "model": model,
            "role": "assistant",
            "removed": false,
        };
        let pipeline = [
            doc! {"$match": answers},
            doc! {"$group": {
                "_id": "$user_id",
                "turns": {"$sum": 1},
                "prompt_tokens": {"$sum": "$prompt_tokens"},
                "completion_tokens": {"$sum": "$completion_tokens"},
            }},
            doc! {"$group": {
                "_id": null,
                "users": {"$sum": 1},
                "turns": {"$sum": "$turns"},
                "prompt_tokens": {"$sum": "$prompt_tokens"},
                "completion_tokens": {"$sum": "$completion_tokens"},
            }},
        ];
        // Of no transcripts there is no group.
        let group = self.aggregate(pipeline).await?.pop().unwrap_or_default();
        let names = ["users", "turns", "prompt_tokens", "completion_tokens"];
        let numbers = names.map(|name| {
            let number = number(&group, name).unwrap_or_default();
            (name.to_owned(), super::document::signed(number).into())
        });
        Ok(numbers.into_iter().collect())
    }

    async fn aggregate<const N: usize>(
        &self,
        pipeline: [Document; N],
    ) -> Result<Vec<Document>, Error> {
        let transcripts = self.collection(TRANSCRIPTS);
        within(async { transcripts.aggregate(pipeline).await?.try_collect().await }).await
    }
}

fn day(of: &Document) -> Result<Date, Error> {
    text(of, "day")?
        .parse()
        .map_err(|error| malformed("day", &error))
}

fn counts(of: &Document, group: &Document) -> Result<DayUsage, Error> {
    let number = |name| number(group, name).unwrap_or_default();
    Ok(DayUsage {
        day: day(of)?,
        model: text(of, "model")?.to_owned(),
        turns: number("turns"),
        prompt_tokens: number("prompt_tokens"),
        completion_tokens: number("completion_tokens"),
    })
}
