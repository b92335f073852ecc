//! The members among themselves: who hears whom, who is primary, and who copies from it.
//!
//! Not MongoDB's protocol, but its results: a primary needs a majority that is heard, an empty member takes the
//! configuration of one that names it and copies everything, and it counts as a voter meanwhile
//! (<https://www.mongodb.com/docs/manual/core/replica-set-elections/>).

use std::time::{Duration, Instant};

use mongodb::bson::{Bson, Document, deserialize_from_document, doc, serialize_to_bson};

use super::Mongod;
use super::data::{Beat, Member, State};
use super::wire::says;

/// One answer of another member may take so long.
pub(super) const LIMIT: Duration = Duration::from_millis(500);
const BETWEEN: Duration = Duration::from_millis(100);
/// A member that was not heard for so long is gone.
const GONE: Duration = Duration::from_secs(1);

impl Mongod {
    /// Speaks with the other members again and again.
    pub(super) async fn take_part(&self) {
        loop {
            tokio::time::sleep(BETWEEN).await;
            let (hosts, place) = {
                let member = self.member();
                (member.data.hosts.clone(), member.place)
            };
            let Some(place) = place else {
                let found = self.find_myself(&hosts).await;
                self.member().place = found;
                continue;
            };
            for (other, host) in hosts.iter().enumerate().filter(|(id, _)| *id != place) {
                self.hear(other, host).await;
            }
            self.elect(place, hosts.len());
        }
    }

    /// Its place among the hosts of a configuration: the one that leads to this very process.
    pub(super) async fn find_myself(&self, hosts: &[String]) -> Option<usize> {
        for (place, host) in hosts.iter().enumerate() {
            let answer = self.ask(host, &doc! {"_isSelf": 1}).await;
            let id = answer.and_then(|answer| answer.get_str("id").map(str::to_owned).ok());
            if id.as_deref() == Some(&self.shared.instance) {
                return Some(place);
            }
        }
        None
    }

    async fn hear(&self, other: usize, host: &str) {
        let beat = self.member().beat(false);
        let Ok(beat) = serialize_to_bson(&beat) else {
            return;
        };
        let (set, key) = (&self.shared.options.set, &self.shared.options.key);
        let question = doc! {"replSetHeartbeat": set, "key": key, "beat": beat};
        let Some(answer) = self.ask(host, &question).await else {
            return;
        };
        let Some(beat) = read(&answer) else {
            return;
        };
        let copy = {
            let mut member = self.member();
            member.heard.insert(other, (Instant::now(), beat.clone()));
            let newer = beat.term > member.data.term
                || (beat.term == member.data.term && beat.changes >= member.data.changes);
            if beat.state == State::Primary && newer && beat.copy.is_some() {
                member.primary = false;
                beat.copy.filter(|copy| *copy != member.data)
            } else {
                None
            }
        };
        if let Some(copy) = copy {
            self.change(|data| *data = copy);
        }
    }

    /// Answers another member, and takes its configuration where there is none yet.
    pub(super) fn heard(&self, question: &Document) -> Option<Document> {
        let (set, key) = (&self.shared.options.set, &self.shared.options.key);
        if !says(question, "replSetHeartbeat", set) || !says(question, "key", key) {
            return None;
        }
        let theirs = read(question)?;
        if self.member().data.hosts.is_empty() && !theirs.hosts.is_empty() {
            self.change(|data| data.hosts = theirs.hosts);
        }
        let beat = serialize_to_bson(&self.member().beat(true)).ok()?;
        Some(doc! {"beat": beat})
    }

    fn elect(&self, place: usize, members: usize) {
        let term = {
            let mut member = self.member();
            member.heard.retain(|_, (when, _)| when.elapsed() < GONE);
            let beats = || member.heard.iter().map(|(id, (_, beat))| (*id, beat));
            if member.heard.len() < members / 2 {
                member.primary = false;
                return;
            }
            if member.primary || beats().any(|(_, beat)| beat.state == State::Primary) {
                return;
            }
            let rank = |changes, id| (changes, members - id);
            let own = rank(member.data.changes, place);
            let better = beats().any(|(id, beat)| beat.stands && rank(beat.changes, id) > own);
            if better || !member.stands() {
                return;
            }
            let terms = beats().map(|(_, beat)| beat.term);
            terms.fold(member.data.term, i64::max) + 1
        };
        self.change(|data| data.term = term);
        self.member().primary = true;
    }
}

impl Member {
    fn beat(&self, with_copy: bool) -> Beat {
        Beat {
            state: self.state().unwrap_or(State::Removed),
            term: self.data.term,
            changes: self.data.changes,
            stands: self.stands(),
            hosts: self.data.hosts.clone(),
            copy: (with_copy && self.primary).then(|| self.data.clone()),
        }
    }
}

fn read(message: &Document) -> Option<Beat> {
    match message.get("beat")? {
        Bson::Document(beat) => deserialize_from_document(beat.clone()).ok(),
        _ => None,
    }
}
