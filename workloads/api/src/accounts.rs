//! Accounts and tokens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Makes an account.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterIn {
    /// E-mail address, at most 254 characters; compared without case.
    pub email: String,
    /// Password, 10 to 1024 characters.
    pub password: String,
    /// Name shown to the user, at most 100 characters.
    #[serde(default)]
    pub display_name: Option<String>,
}

/// Proves who one is.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginIn {
    /// E-mail address.
    pub email: String,
    /// Password.
    pub password: String,
}

/// Exchanges a refresh token for new tokens (RFC 6749 section 6), or ends its session.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshIn {
    /// The newest refresh token of the session.
    pub refresh_token: String,
}

/// Shows that a mail arrived.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyIn {
    /// The token of the mail's link.
    pub token: String,
}

/// Asks for a mail with a link to set a new password.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetIn {
    /// E-mail address.
    pub email: String,
}

/// Sets a new password.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasswordIn {
    /// The token of the mail's link.
    pub token: String,
    /// Password, 10 to 1024 characters.
    pub password: String,
}

/// Tokens of a session (RFC 6749 section 5.1), and whose they are.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct TokensOut {
    /// A JWT for the `Authorization: Bearer` header.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Life of the access token in seconds.
    pub expires_in: u64,
    /// Gives new tokens, once.
    pub refresh_token: String,
    /// The account.
    pub user: UserOut,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserOut {
    /// Id.
    pub id: Uuid,
    /// E-mail address as it was registered.
    pub email: String,
    /// Whether a link that was sent to the address came back.
    pub email_verified: bool,
    /// Name shown to the user.
    pub display_name: Option<String>,
    /// When it was made, RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: jiff::Timestamp,
}
