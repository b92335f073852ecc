-- Tokens that were sent by mail, of which only the SHA-256 is kept. Each is used once.
CREATE TABLE IF NOT EXISTS mail_tokens (
    hash BINARY(32) NOT NULL PRIMARY KEY,
    account_id BINARY(16) NOT NULL,
    purpose VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    expires_at BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    used_at BIGINT NULL COMMENT 'milliseconds since 1970',
    used_by BINARY(32) NULL COMMENT 'SHA-256 of the request that used it: the same request again is answered the same',
    KEY mail_tokens_account_id (account_id),
    KEY mail_tokens_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
