-- A session: all the refresh tokens that came from one login.
CREATE TABLE IF NOT EXISTS sessions (
    id BINARY(16) NOT NULL PRIMARY KEY,
    account_id BINARY(16) NOT NULL,
    created_at BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    expires_at BIGINT NOT NULL COMMENT 'milliseconds since 1970; of its newest refresh token',
    revoked_at BIGINT NULL COMMENT 'milliseconds since 1970',
    KEY sessions_account_id (account_id),
    KEY sessions_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
