-- Which registration request made which account: the row is written with the account. `request` is the SHA-256 of
-- idempotency key and e-mail.
CREATE TABLE registrations (
    request BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES accounts (id),
    created_at INTEGER NOT NULL
) STRICT
