//! What takes the operator away, or something that belongs to the whole cluster: each of these runs alone.

mod helm;
mod operator;
mod outage;
mod storage;
