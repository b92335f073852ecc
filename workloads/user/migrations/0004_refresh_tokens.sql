-- Refresh tokens, of which only the SHA-256 is kept.
CREATE TABLE IF NOT EXISTS refresh_tokens (
    hash BINARY(32) NOT NULL PRIMARY KEY,
    session_id BINARY(16) NOT NULL,
    expires_at BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    rotated_at BIGINT NULL COMMENT 'milliseconds since 1970; when it first gave a successor',
    KEY refresh_tokens_session_id (session_id),
    KEY refresh_tokens_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
