-- One message of a user and the model's answer to it.
CREATE TABLE IF NOT EXISTS turns (
    id BINARY(16) NOT NULL PRIMARY KEY,
    conversation_id BINARY(16) NOT NULL,
    user_id BINARY(16) NOT NULL,
    attempt INT UNSIGNED NOT NULL COMMENT 'only the newest attempt may answer',
    answered_at BIGINT NULL COMMENT 'milliseconds since 1970',
    finish_reason VARCHAR(32) NULL,
    prompt_tokens BIGINT UNSIGNED NULL,
    completion_tokens BIGINT UNSIGNED NULL,
    created_at BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    KEY by_conversation (conversation_id)
)
