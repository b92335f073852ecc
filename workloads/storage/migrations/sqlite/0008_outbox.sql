-- Events that are committed and not yet told, in the order in which they were written.
CREATE TABLE outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    bucket INTEGER NOT NULL,
    conversation_id BLOB NOT NULL,
    event BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT
