//! Generates answers: builds the prompt, calls the model, streams.
