-- Mails that wait to be sent, and those of the last hour. A row holds no text and no token: both are made when it is sent.
CREATE TABLE IF NOT EXISTS mails (
    id BINARY(16) NOT NULL PRIMARY KEY,
    subject VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    email_key VARCHAR(254) NOT NULL COMMENT 'perhaps of nobody: then nothing is sent',
    created_at BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    due_at BIGINT NULL COMMENT 'milliseconds since 1970; while it is being sent, when another process may try; null once it is done with',
    attempts INT UNSIGNED NOT NULL DEFAULT 0,
    KEY mails_due_at (due_at),
    KEY mails_email_key (email_key)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
