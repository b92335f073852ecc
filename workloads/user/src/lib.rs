//! Owns accounts: registration, passwords, tokens, signing keys.
