-- A user's data key, wrapped by a key of the deployment's ring. Without this row nothing of the user can be read.
-- Times are milliseconds since 1970, here and in every other table.
CREATE TABLE user_keys (
    user_id BLOB NOT NULL PRIMARY KEY,
    ring_key_id TEXT NOT NULL,
    wrapped_key BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT
