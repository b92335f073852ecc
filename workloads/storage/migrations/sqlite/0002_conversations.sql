-- A conversation; `title` is sealed.
CREATE TABLE conversations (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL,
    title BLOB NOT NULL,
    last_seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT
