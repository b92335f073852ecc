-- One message of a user and the model's answer to it; only the newest attempt may answer.
CREATE TABLE turns (
    id BLOB NOT NULL PRIMARY KEY,
    conversation_id BLOB NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    user_id BLOB NOT NULL,
    attempt INTEGER NOT NULL,
    answered_at INTEGER,
    finish_reason TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    created_at INTEGER NOT NULL
) STRICT
