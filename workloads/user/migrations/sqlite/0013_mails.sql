-- Mails that wait to be sent, and those of the last hour. A row holds no text and no token: both are made when it is sent.
-- `email_key` is perhaps of nobody, then nothing is sent; `due_at` of one that is being sent is when it may be tried again,
-- and null once it is done with.
CREATE TABLE mails (
    id BLOB NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    email_key TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT
