CREATE INDEX mail_tokens_by_account ON mail_tokens (account_id)
