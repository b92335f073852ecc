//! The newest messages of a conversation as somebody remembers them: usable only where they are
//! provably what the database would give.
//!
//! A message never changes, and the `seq` of a conversation has no gap. So messages that follow each
//! other up to the one before a new message are its history, and no time-to-live or invalidation
//! decides about that.

use crate::store::MessageRow;

/// Messages of one conversation, in the order they were remembered in.
#[derive(Clone, Debug, Default)]
pub struct Recent(Vec<MessageRow>);

impl Recent {
    /// Takes what is remembered, in whatever state.
    #[must_use]
    pub const fn new(rows: Vec<MessageRow>) -> Self {
        Self(rows)
    }

    /// The newest `limit` messages before `seq`, in order; `None` where one of them is missing.
    #[must_use]
    pub fn before(&self, seq: u64, limit: u32) -> Option<&[MessageRow]> {
        let first = seq.saturating_sub(u64::from(limit)).max(1);
        let wanted = usize::try_from(seq.saturating_sub(first)).ok()?;
        if wanted == 0 {
            return Some(&[]);
        }
        let from = self.0.iter().position(|row| row.seq == first)?;
        let rows = self.0.get(from..from + wanted)?;
        (first..)
            .zip(rows)
            .all(|(seq, row)| row.seq == seq)
            .then_some(rows)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use chatbot_api::conversations::Role;
    use uuid::Uuid;

    use super::Recent;
    use crate::store::MessageRow;

    fn remembered(seqs: impl IntoIterator<Item = u64>) -> Recent {
        let row = |seq| MessageRow {
            id: Uuid::nil(),
            conversation_id: Uuid::nil(),
            turn_id: Uuid::nil(),
            seq,
            role: Role::User,
            content: Vec::new(),
            model: None,
            created_at: 0,
        };
        Recent::new(seqs.into_iter().map(row).collect())
    }

    fn seqs(rows: &[MessageRow]) -> Vec<u64> {
        rows.iter().map(|row| row.seq).collect()
    }

    #[test]
    fn a_new_conversation_has_no_history() {
        assert!(Recent::default().before(1, 200).unwrap().is_empty());
    }

    #[test]
    fn the_newest_before_a_message_are_its_history() {
        assert_eq!(
            seqs(remembered(1..=4).before(5, 200).unwrap()),
            [1, 2, 3, 4]
        );
        assert_eq!(seqs(remembered(1..=4).before(5, 2).unwrap()), [3, 4]);
        assert_eq!(seqs(remembered(3..=9).before(6, 3).unwrap()), [3, 4, 5]);
        assert!(remembered(1..=4).before(5, 0).unwrap().is_empty());
    }

    #[test]
    fn what_is_not_whole_is_not_used() {
        assert!(remembered([]).before(5, 200).is_none());
        assert!(
            remembered(1..=3).before(5, 200).is_none(),
            "the last is missing"
        );
        assert!(
            remembered(2..=4).before(5, 200).is_none(),
            "the first is missing"
        );
        assert!(
            remembered([1, 3, 4]).before(5, 200).is_none(),
            "one between is missing"
        );
        assert!(
            remembered([2, 1, 3, 4]).before(5, 200).is_none(),
            "they are not in order"
        );
    }
}
