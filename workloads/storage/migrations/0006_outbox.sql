-- Events that are committed and not yet in Kafka, in the order of their conversations: a row is written under the conversation's lock.
CREATE TABLE IF NOT EXISTS outbox (
    position BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id BINARY(16) NOT NULL,
    bucket SMALLINT UNSIGNED NOT NULL COMMENT 'of the conversation; one relay tells a bucket',
    conversation_id BINARY(16) NOT NULL,
    event VARBINARY(4096) NOT NULL COMMENT 'JSON, as Kafka gets it',
    created_at BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    UNIQUE KEY by_id (id),
    KEY by_bucket (bucket, position)
)
