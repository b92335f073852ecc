-- Accounts whose e-mail address was shown to be theirs, by a token that was sent to it.
CREATE TABLE verified_emails (
    account_id BLOB NOT NULL PRIMARY KEY REFERENCES accounts (id),
    verified_at INTEGER NOT NULL
) STRICT
