//! The life of an agent: pages that are served, work that is done again and again, and an end in order.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::children::Children;
use super::http::{self, Tell};
use super::{Error, io, told_to_stop};
use crate::outcome::chain;

/// What an agent does.
pub(crate) trait Work {
    /// Between two looks while all is well.
    const CALM: Duration;
    /// Between two looks while something is missing.
    const BUSY: Duration;

    /// One look, and what follows from it. Tells whether all is well.
    fn step(&mut self) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Notes what went wrong in a step, for whoever asks.
    fn trouble(&self, problem: String);

    /// Ends what runs, in order.
    fn end(self) -> impl Future<Output = ()> + Send;
}

/// An agent that listens, to signals and at its port.
pub(crate) struct Life {
    told: BoxFuture<'static, ()>,
    listener: TcpListener,
}

impl Life {
    /// Begins: from here on no signal is missed.
    pub(crate) async fn begin(listen: SocketAddr) -> Result<Self, Error> {
        let told = Box::pin(told_to_stop()?);
        let listener = TcpListener::bind(listen)
            .await
            .map_err(io(format!("listen on {listen}")))?;
        Ok(Self { told, listener })
    }

    /// Serves and works until it is told to stop, and ends the work; its pages are there until that is done.
    pub(crate) async fn live(
        self,
        worker: impl Work,
        board: impl Tell,
        token: String,
        children: Children,
    ) -> Result<(), Error> {
        let Self { told, listener } = self;
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let pages = http::serve(listener, board, token, ended.clone());
        let work = async {
            work(worker, &stop).await;
            ended.cancel();
            Ok(())
        };
        let signals = async {
            told.await;
            stop.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            result = async { tokio::try_join!(pages, work) } => result.map(|_| ()),
            result = children.reap() => result.map_err(io("reap processes")),
            () = signals => Ok(()),
        }
    }
}

async fn work<W: Work>(mut worker: W, stop: &CancellationToken) {
    loop {
        let step = tokio::select! {
            () = stop.cancelled() => break,
            step = worker.step() => step,
        };
        let pause = match step {
            Ok(true) => W::CALM,
            Ok(false) => W::BUSY,
            Err(error) => {
                let text = chain(&error);
                tracing::warn!(error = text, "a step failed");
                worker.trouble(text);
                W::CALM
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    worker.end().await;
}
