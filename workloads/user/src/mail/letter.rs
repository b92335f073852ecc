//! The text of mails: plain, short, the same for every reader.

use crate::mail::Subject;
use crate::token::Token;

/// A mail before it has a sender and a receiver.
pub(super) struct Letter {
    pub(super) subject: &'static str,
    pub(super) text: String,
}

/// Writes the mail about `subject` with its link.
///
/// The token that sets a password is in the fragment of the URL, which reaches no server and so no log of one.
pub(super) fn letter(subject: Subject, public_url: &str, token: &Token) -> Letter {
    let token = token.text();
    match subject {
        Subject::Verification => Letter {
            subject: "Confirm your e-mail address",
            text: format!(
                "Someone made an account with this e-mail address at\r\n{public_url}\r\n\r\n\
                 If it was you, open this link within 24 hours:\r\n{public_url}/?verify={token}\r\n\r\n\
                 If not, there is nothing to do.\r\n"
            ),
        },
        Subject::Reset => Letter {
            subject: "Set a new password",
            text: format!(
                "Someone asked for a new password of the account with this e-mail address at\r\n{public_url}\r\n\r\n\
                 If it was you, open this link within an hour:\r\n{public_url}/#/reset/{token}\r\n\r\n\
                 You will be logged out everywhere. If it was not you, there is nothing to do: your password \
                 stays as it is.\r\n"
            ),
        },
    }
}
