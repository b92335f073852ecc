-- A message as it is archived; `content` is sealed, `role` is 1 for the user and 2 for the assistant. Of one that
-- was removed the id stays for a while, so that nobody who read it before writes it again.
CREATE TABLE transcripts (
    id BLOB NOT NULL PRIMARY KEY,
    removed INTEGER NOT NULL,
    conversation_id BLOB NOT NULL,
    seq INTEGER,
    turn_id BLOB,
    user_id BLOB,
    role INTEGER,
    day TEXT,
    model TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    created_at INTEGER,
    expires_at INTEGER,
    content BLOB
) STRICT
