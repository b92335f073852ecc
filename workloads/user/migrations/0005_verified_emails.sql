-- Accounts whose e-mail address was shown to be theirs, by a token that was sent to it.
CREATE TABLE IF NOT EXISTS verified_emails (
    account_id BINARY(16) NOT NULL PRIMARY KEY,
    verified_at BIGINT NOT NULL COMMENT 'milliseconds since 1970'
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
