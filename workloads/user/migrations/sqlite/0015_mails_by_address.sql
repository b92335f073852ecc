CREATE INDEX mails_by_address ON mails (email_key)
