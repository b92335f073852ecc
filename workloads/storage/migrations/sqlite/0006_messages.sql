-- A message; `content` is sealed, `role` is 1 for the user and 2 for the assistant. One of each role for a
-- turn: a second answer cannot be stored, whatever goes wrong above.
CREATE TABLE messages (
    conversation_id BLOB NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    turn_id BLOB NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    role INTEGER NOT NULL,
    content BLOB NOT NULL,
    model TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, seq),
    UNIQUE (turn_id, role)
) STRICT
