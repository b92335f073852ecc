-- Endpoints that are told what happened.
CREATE TABLE webhooks (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL,
    url BLOB NOT NULL,
    description BLOB NOT NULL,
    secret BLOB NOT NULL,
    old_secret BLOB,
    old_secret_until INTEGER,
    events TEXT NOT NULL,
    disabled_reason TEXT,
    created_at INTEGER NOT NULL,
    last_success_at INTEGER,
    streak INTEGER NOT NULL DEFAULT 0,
    wake_at INTEGER,
    held_until INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX webhooks_by_user ON webhooks (user_id, id);
CREATE INDEX webhooks_by_wake ON webhooks (wake_at)
