//! Stands between a client and a server and keeps what the client sends, to show what somebody on the way could read.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A way to a server that is listened to; it ends when the value is dropped.
pub struct Tap {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
    passing: JoinHandle<()>,
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

impl Tap {
    /// Starts to pass everything on to `server`, a `host:port`.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn before(server: String) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        let passing = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (server, kept) = (server.clone(), Arc::clone(&kept));
                // A side that breaks off has nothing more to say.
                connections.spawn(async move { drop(pass(client, &server, &kept).await) });
            }
        });
        Ok(Self {
            address,
            heard,
            passing,
        })
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Whether a client has sent anything, and whether these words are in what all of them sent.
    #[must_use]
    pub fn heard(&self, words: &[u8]) -> (bool, bool) {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let found = heard.windows(words.len()).any(|window| window == words);
        (!heard.is_empty(), found)
    }
}

async fn pass(mut client: TcpStream, server: &str, kept: &Mutex<Vec<u8>>) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let forth = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = from_client.read(&mut buffer).await?;
            let Some(sent) = buffer.get(..read).filter(|sent| !sent.is_empty()) else {
                return to_server.shutdown().await;
            };
            kept.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend_from_slice(sent);
            to_server.write_all(sent).await?;
        }
    };
    let back = async {
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(forth, back).map(|_| ())
}
