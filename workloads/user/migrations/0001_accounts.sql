-- Accounts. `email` is as it was registered, `email_key` is what it is compared by.
CREATE TABLE IF NOT EXISTS accounts (
    id BINARY(16) NOT NULL PRIMARY KEY,
    email VARCHAR(254) NOT NULL,
    email_key VARCHAR(254) NOT NULL,
    password_hash VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'PHC string',
    display_name VARCHAR(100) NULL,
    created_at BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    UNIQUE KEY accounts_email_key (email_key)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
