CREATE INDEX requests_by_expiry ON requests (expires_at) WHERE expires_at IS NOT NULL
