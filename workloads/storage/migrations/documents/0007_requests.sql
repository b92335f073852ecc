-- A request that was answered; times are in milliseconds since 1970.
CREATE TABLE requests (
    id BLOB NOT NULL PRIMARY KEY,
    time INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    method TEXT NOT NULL,
    route TEXT NOT NULL,
    status INTEGER NOT NULL,
    error TEXT,
    milliseconds INTEGER NOT NULL,
    user_id BLOB,
    agent TEXT,
    expires_at INTEGER
) STRICT
