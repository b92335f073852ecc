-- Tokens that were sent by mail, of which only the SHA-256 is kept. Each is used once; `used_by` is the SHA-256 of the
-- request that used it: the same request again is answered the same.
CREATE TABLE mail_tokens (
    hash BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES accounts (id),
    purpose TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    used_by BLOB
) STRICT
