CREATE INDEX transcripts_by_user ON transcripts (user_id, day)
