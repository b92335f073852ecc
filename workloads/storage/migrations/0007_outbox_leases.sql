-- Which relay tells a bucket of the outbox, until when. No row: nobody does.
CREATE TABLE IF NOT EXISTS outbox_leases (
    bucket SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
    relay BINARY(16) NOT NULL,
    expires_at DATETIME(3) NOT NULL COMMENT 'by the clock of the database, UTC'
)
