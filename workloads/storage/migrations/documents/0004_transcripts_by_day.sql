CREATE INDEX transcripts_by_day ON transcripts (day, model)
