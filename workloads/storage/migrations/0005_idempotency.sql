-- Which turn a caller's key made. Kept when the conversation is deleted, so that a late retry does not make it anew.
CREATE TABLE IF NOT EXISTS idempotency (
    user_id BINARY(16) NOT NULL,
    key_hash BINARY(32) NOT NULL COMMENT 'SHA-256 of the key',
    request_hash BINARY(32) NOT NULL COMMENT 'HMAC-SHA-256 with a key of the user',
    turn_id BINARY(16) NOT NULL,
    created_at BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    PRIMARY KEY (user_id, key_hash)
)
