CREATE INDEX mails_by_time ON mails (due_at)
