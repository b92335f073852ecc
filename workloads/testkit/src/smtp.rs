//! A small SMTP server for tests: it takes mails and shows them. No maintained crate serves only this much.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Certificate;

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

/// When a server speaks TLS.
#[derive(Clone)]
pub enum Encryption {
    /// Never.
    None,
    /// When it is asked for, and before that it takes nothing.
    StartTls(Arc<ServerConfig>),
    /// From the first byte.
    Required(Arc<ServerConfig>),
}

impl Encryption {
    /// Both ways to use a certificate.
    #[must_use]
    pub fn both(certificate: &Certificate) -> [Self; 2] {
        let server = certificate.server();
        [Self::StartTls(Arc::clone(&server)), Self::Required(server)]
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
    /// Starts a server at `address`, such as `127.0.0.1:0`, that wants a login and speaks no TLS.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(address: &str) -> std::io::Result<Self> {
        Self::start_with(address, Encryption::None).await
    }

    /// Starts a server at `address` that wants a login and speaks TLS as told.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start_with(address: &str, encryption: Encryption) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let mails = watch::Sender::new(Vec::new());
        let taken = mails.clone();
        let serving = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (taken, encryption) = (taken.clone(), encryption.clone());
                // A client that breaks off has nothing more to say.
                sessions.spawn(async move { drop(session(stream, encryption, &taken).await) });
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

/// One connection.
async fn session(
    mut stream: TcpStream,
    encryption: Encryption,
    taken: &watch::Sender<Vec<Mail>>,
) -> std::io::Result<()> {
    const GREETING: &[u8] = b"220 test\r\n";
    match encryption {
        Encryption::None => {
            stream.write_all(GREETING).await?;
            serve(stream, false, taken).await?;
        }
        Encryption::Required(config) => {
            let mut stream = TlsAcceptor::from(config).accept(stream).await?;
            stream.write_all(GREETING).await?;
            serve(stream, false, taken).await?;
        }
        Encryption::StartTls(config) => {
            stream.write_all(GREETING).await?;
            if let Some(stream) = serve(stream, true, taken).await? {
                let stream = TlsAcceptor::from(config).accept(stream).await?;
                serve(stream, false, taken).await?;
            }
        }
    }
    Ok(())
}

/// Answers commands (RFC 5321 section 4.1, RFC 4954); gives the stream back when TLS shall begin on it (RFC 3207),
/// without which nothing else is done where it is offered.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    offered: bool,
    taken: &watch::Sender<Vec<Mail>>,
) -> std::io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    let (mut known, mut to) = (false, String::new());
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        let answer = match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" if offered => "250-test\r\n250 STARTTLS",
            "STARTTLS" if offered => {
                stream.write_all(b"220 go on\r\n").await?;
                return Ok(Some(stream.into_inner()));
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(None);
            }
            _ if offered => "530 STARTTLS comes first",
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
            _ => "500 not understood",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// Reads the lines up to a single dot.
async fn data<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let mut content = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(decoded(content));
        }
        content.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

/// A text of long lines comes as quoted-printable (RFC 2045 section 6.7); the others come as they are.
fn decoded(content: String) -> String {
    let Some((head, text)) = content.split_once("\r\n\r\n") else {
        return content;
    };
    if !head.contains("Content-Transfer-Encoding: quoted-printable") {
        return content;
    }
    match quoted_printable::decode(text, quoted_printable::ParseMode::Strict) {
        Ok(text) => format!("{head}\r\n\r\n{}", String::from_utf8_lossy(&text)),
        Err(_) => content,
    }
}
