CREATE INDEX mail_tokens_by_expiry ON mail_tokens (expires_at)
