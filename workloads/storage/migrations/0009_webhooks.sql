-- Endpoints that are told what happened. A row is also the lock of those who send to it: one process at a time does.
CREATE TABLE IF NOT EXISTS webhooks (
    id BINARY(16) NOT NULL PRIMARY KEY,
    user_id BINARY(16) NOT NULL,
    url VARBINARY(2100) NOT NULL COMMENT 'sealed',
    description VARBINARY(1100) NOT NULL COMMENT 'sealed',
    secret VARBINARY(128) NOT NULL COMMENT 'sealed',
    old_secret VARBINARY(128) NULL COMMENT 'sealed; signs as well, for a while',
    old_secret_until BIGINT NULL COMMENT 'milliseconds since 1970',
    events VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'names separated by commas; empty for all',
    disabled_reason VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'set while nothing is sent',
    created_at BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    last_success_at BIGINT NULL COMMENT 'milliseconds since 1970',
    streak INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'rounds in a row in which nothing was taken',
    wake_at BIGINT NULL COMMENT 'when its first message is due',
    held_until BIGINT NOT NULL DEFAULT 0 COMMENT 'before then only the process that took it sends, or nobody',
    KEY by_user (user_id, id),
    KEY by_wake (wake_at)
)
