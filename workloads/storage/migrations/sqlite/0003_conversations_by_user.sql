CREATE INDEX conversations_by_user ON conversations (user_id, updated_at, id)
