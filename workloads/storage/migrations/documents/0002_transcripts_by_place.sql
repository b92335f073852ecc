CREATE INDEX transcripts_by_place ON transcripts (conversation_id, seq)
