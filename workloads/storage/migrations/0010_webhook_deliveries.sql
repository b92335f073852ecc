-- Messages to webhooks, kept for some days after they were taken or given up, so that an event told again makes none again.
CREATE TABLE IF NOT EXISTS webhook_deliveries (
    id BINARY(16) NOT NULL PRIMARY KEY,
    webhook_id BINARY(16) NOT NULL,
    event_id BINARY(16) NOT NULL,
    kind VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    body VARBINARY(4096) NOT NULL COMMENT 'JSON, as it is sent; ids and no content',
    created_at BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    attempts INT UNSIGNED NOT NULL DEFAULT 0,
    due_at BIGINT NULL COMMENT 'of the next attempt',
    delivered BOOLEAN NOT NULL DEFAULT FALSE,
    attempted_at BIGINT NULL COMMENT 'the last attempt',
    http_status SMALLINT UNSIGNED NULL,
    problem VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'why there was no answer',
    latency_ms INT UNSIGNED NULL,
    UNIQUE KEY by_event (webhook_id, event_id),
    KEY by_due (webhook_id, due_at),
    KEY by_webhook (webhook_id, id),
    KEY by_age (created_at)
)
