-- Accounts. `email` is as it was registered, `email_key` is what it is compared by; `password_hash` is a PHC string.
-- Times are milliseconds since 1970, here and in every other table.
CREATE TABLE accounts (
    id BLOB NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    display_name TEXT,
    created_at INTEGER NOT NULL
) STRICT
