CREATE INDEX transcripts_by_expiry ON transcripts (expires_at) WHERE expires_at IS NOT NULL
