-- A conversation; its row is the lock that orders its messages.
CREATE TABLE IF NOT EXISTS conversations (
    id BINARY(16) NOT NULL PRIMARY KEY,
    user_id BINARY(16) NOT NULL,
    title VARBINARY(1024) NOT NULL COMMENT 'sealed',
    last_seq BIGINT UNSIGNED NOT NULL,
    created_at BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    updated_at BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    deleted_at BIGINT NULL COMMENT 'set while its rows are being removed',
    KEY by_user (user_id, updated_at, id),
    KEY by_deletion (deleted_at)
)
