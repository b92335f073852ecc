-- A user's data key, wrapped by a key of the deployment's ring. Without this row nothing of the user can be read.
CREATE TABLE IF NOT EXISTS user_keys (
    user_id BINARY(16) NOT NULL PRIMARY KEY,
    ring_key_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    wrapped_key VARBINARY(128) NOT NULL,
    created_at BIGINT NOT NULL COMMENT 'milliseconds since 1970'
)
