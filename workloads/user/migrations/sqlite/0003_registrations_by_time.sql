CREATE INDEX registrations_by_time ON registrations (created_at)
