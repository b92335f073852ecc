CREATE INDEX turns_by_conversation ON turns (conversation_id)
