-- Which registration request made which account: the row is written with the account.
CREATE TABLE IF NOT EXISTS registrations (
    request BINARY(32) NOT NULL PRIMARY KEY COMMENT 'SHA-256 of idempotency key and e-mail',
    account_id BINARY(16) NOT NULL,
    created_at BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    KEY registrations_created_at (created_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
