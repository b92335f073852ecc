-- Which turn a caller's key made; `key_hash` is the SHA-256 of the key, `request_hash` an HMAC-SHA-256 with a key
-- of the user. Kept when the conversation is deleted, so that a late retry does not make it anew.
CREATE TABLE idempotency (
    user_id BLOB NOT NULL,
    key_hash BLOB NOT NULL,
    request_hash BLOB NOT NULL,
    turn_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, key_hash)
) STRICT
