-- A message. One of each role for a turn: a second answer cannot be stored, whatever goes wrong above.
CREATE TABLE IF NOT EXISTS messages (
    conversation_id BINARY(16) NOT NULL,
    seq BIGINT UNSIGNED NOT NULL,
    id BINARY(16) NOT NULL,
    turn_id BINARY(16) NOT NULL,
    role TINYINT UNSIGNED NOT NULL COMMENT '1 user, 2 assistant',
    content MEDIUMBLOB NOT NULL COMMENT 'sealed',
    model VARCHAR(128) NULL,
    created_at BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    PRIMARY KEY (conversation_id, seq),
    UNIQUE KEY by_turn (turn_id, role)
)
