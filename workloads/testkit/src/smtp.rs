//! A small SMTP server for tests: it takes mails and shows them. No maintained crate serves only this much.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The one argument of `AUTH PLAIN` that is taken: no authorisation id, user `chat`, password `secret` (RFC 4616).
const LOGIN: &str = "AGNoYXQAc2VjcmV0";

/// The account that the server takes.
pub const USER: &str = "chat";

/// The account's password.
pub const PASSWORD: &str = "secret";

/// A mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Whom it is for.
    pub to: String,
    /// Head and text.
    pub content: String,
}

impl Mail {
    /// What follows `start` up to the end of its line.
    ///
    /// # Panics
    /// When the mail does not hold `start`.
    #[must_use]
    pub fn after(&self, start: &str) -> &str {
        let (_, rest) = self
            .content
            .split_once(start)
            .unwrap_or_else(|| panic!("no {start} in {}", self.content));
        rest.split(['\r', '\n']).next().unwrap_or(rest)
    }
}

/// A running server; it ends when the value is dropped.
pub struct Smtp {
    address: SocketAddr,
    mails: watch::Sender<Vec<Mail>>,
    serving: JoinHandle<()>,
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Smtp {
    /// Starts a server at `address`, such as `127.0.0.1:0`, that wants a login.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(address: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let mails = watch::Sender::new(Vec::new());
        let taken = mails.clone();
        let serving = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let taken = taken.clone();
                // A client that breaks off has nothing more to say.
                sessions.spawn(async move { drop(serve(stream, &taken).await) });
            }
        });
        Ok(Self {
            address,
            mails,
            serving,
        })
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it took so far.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.mails.borrow().clone()
    }

    /// Waits for the newest mail to `email` of which there are `count` by then.
    ///
    /// # Panics
    /// When the server has ended.
    pub async fn mail(&self, email: &str, count: usize) -> Mail {
        let mut seen = self.mails.subscribe();
        let of = |mails: &Vec<Mail>| -> Vec<Mail> {
            let to = mails.iter().filter(|mail| mail.to == email);
            to.cloned().collect()
        };
        let mails = seen
            .wait_for(|mails| of(mails).len() >= count)
            .await
            .expect("the server runs as long as the value lives");
        of(&mails).pop().expect("at least one mail was waited for")
    }
}

/// One connection (RFC 5321 section 4.1, RFC 4954).
async fn serve(stream: TcpStream, taken: &watch::Sender<Vec<Mail>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut known, mut to) = (false, String::new());
    stream.write_all(b"220 test\r\n").await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let answer = match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => "250-test\r\n250 AUTH PLAIN",
            "AUTH" if line.ends_with(LOGIN) => {
                known = true;
                "235 welcome"
            }
            "AUTH" => "535 who is this",
            "MAIL" if !known => "530 log in first",
            "MAIL" | "NOOP" | "RSET" => "250 ok",
            "RCPT" => {
                to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                if to.starts_with("refused") {
                    "550 no such mailbox"
                } else {
                    "250 ok"
                }
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let mail = Mail {
                    to: std::mem::take(&mut to),
                    content: data(&mut stream).await?,
                };
                taken.send_modify(|mails| mails.push(mail));
                "250 taken"
            }
            "QUIT" => {
                return stream.write_all(b"221 bye\r\n").await;
            }
            _ => "500 not understood",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// Reads the lines up to a single dot.
async fn data(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut content = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(content);
        }
        content.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
