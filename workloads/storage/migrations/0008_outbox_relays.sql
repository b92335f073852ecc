-- The relays that are alive, so that each takes its share of the buckets.
CREATE TABLE IF NOT EXISTS outbox_relays (
    relay BINARY(16) NOT NULL PRIMARY KEY,
    expires_at DATETIME(3) NOT NULL COMMENT 'by the clock of the database, UTC'
)
