-- What one model answered on one day. A row that is stale has to be computed.
CREATE TABLE analytics (
    day TEXT NOT NULL,
    model TEXT NOT NULL,
    stale INTEGER NOT NULL,
    turns INTEGER NOT NULL DEFAULT 0,
    prompt_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0,
    users INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (day, model)
) STRICT
