//! Owns conversations and messages, encrypted where they are written.
