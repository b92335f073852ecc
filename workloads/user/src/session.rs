//! Sessions: refresh tokens that give a successor once, and what it means when one comes again.

use uuid::Uuid;

/// How long after its first use a refresh token may be used again, in milliseconds: for two tabs at
/// once, and for an answer that was lost on its way.
pub const GRACE: i64 = 10_000;

/// What is stored of a refresh token and its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Session.
    pub session: Uuid,
    /// Account.
    pub account: Uuid,
    /// When the token expires, in milliseconds since 1970.
    pub expires_at: i64,
    /// When it first gave a successor.
    pub rotated_at: Option<i64>,
    /// When its session was ended.
    pub revoked_at: Option<i64>,
}

/// What is done with a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It gives a successor.
    Renew,
    /// It is used up, so somebody has a copy: the whole session ends.
    Revoke,
    /// Its session has ended.
    Refuse,
}

impl Stored {
    /// What is done with this token at `now`, in milliseconds since 1970 (RFC 9700 section 4.14.2).
    #[must_use]
    pub fn verdict(&self, now: i64) -> Verdict {
        if self.revoked_at.is_some() || self.expires_at <= now {
            return Verdict::Refuse;
        }
        match self.rotated_at {
            Some(at) if now - at > GRACE => Verdict::Revoke,
            _ => Verdict::Renew,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{GRACE, Stored, Verdict};

    const FRESH: Stored = Stored {
        session: Uuid::nil(),
        account: Uuid::nil(),
        expires_at: 1_000_000,
        rotated_at: None,
        revoked_at: None,
    };

    #[test]
    fn a_token_gives_a_successor_once_and_again_within_the_grace() {
        assert_eq!(FRESH.verdict(500_000), Verdict::Renew);
        let used = Stored {
            rotated_at: Some(500_000),
            ..FRESH
        };
        assert_eq!(used.verdict(500_000 + GRACE), Verdict::Renew);
        assert_eq!(used.verdict(500_001 + GRACE), Verdict::Revoke);
    }

    #[test]
    fn an_ended_session_gives_nothing() {
        assert_eq!(FRESH.verdict(1_000_000), Verdict::Refuse);
        assert_eq!(
            Stored {
                revoked_at: Some(1),
                ..FRESH
            }
            .verdict(2),
            Verdict::Refuse
        );
    }
}
