//! MongoDB's wire protocol: `OP_MSG` (<https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>).

use std::io::Error;

use mongodb::bson::{Bson, Document};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const OP_MSG: i32 = 2013;
const HEADER: usize = 16;
/// The largest message that MongoDB takes (bytes).
const LARGEST: usize = 48_000_000;

/// Reads a message: its id and its document, into which sequences of documents are put as arrays.
pub(super) async fn read(stream: &mut TcpStream) -> std::io::Result<(i32, Document)> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).await?;
    let field = |place: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&header[place * 4..place * 4 + 4]);
        i32::from_le_bytes(bytes)
    };
    let length = usize::try_from(field(0)).map_err(Error::other)?;
    if field(3) != OP_MSG || !(HEADER + 5..=LARGEST).contains(&length) {
        return Err(Error::other("not an OP_MSG"));
    }
    let mut body = vec![0; length - HEADER];
    stream.read_exact(&mut body).await?;
    Ok((field(1), sections(&body[4..])?))
}

fn sections(mut rest: &[u8]) -> std::io::Result<Document> {
    let short = || Error::other("a section is short");
    let mut document = Document::new();
    let mut sequences = Vec::new();
    while let Some((kind, after)) = rest.split_first() {
        rest = after;
        if *kind == 0 {
            document = Document::from_reader(&mut rest).map_err(Error::other)?;
            continue;
        }
        let size = u32::from_le_bytes(*rest.first_chunk().ok_or_else(short)?);
        let size = usize::try_from(size).map_err(Error::other)?;
        let (section, after) = rest.split_at_checked(size).ok_or_else(short)?;
        rest = after;
        let section = section.get(4..).ok_or_else(short)?;
        let end = section
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(short)?;
        let (name, mut content) = section.split_at(end);
        content = &content[1..];
        let mut documents = Vec::new();
        while !content.is_empty() {
            let document = Document::from_reader(&mut content).map_err(Error::other)?;
            documents.push(Bson::Document(document));
        }
        sequences.push((String::from_utf8_lossy(name).into_owned(), documents));
    }
    for (name, documents) in sequences {
        document.insert(name, documents);
    }
    Ok(document)
}

/// Whether a field of a message is this text.
pub(super) fn says(message: &Document, field: &str, text: &str) -> bool {
    message.get_str(field).is_ok_and(|said| said == text)
}

/// Writes a message, as the answer to another one.
pub(super) async fn write(
    stream: &mut TcpStream,
    answers: i32,
    document: &Document,
) -> std::io::Result<()> {
    let content = document.to_vec().map_err(Error::other)?;
    let length = i32::try_from(HEADER + 5 + content.len()).map_err(Error::other)?;
    let mut message = Vec::new();
    for field in [length, 0, answers, OP_MSG, 0] {
        message.extend(field.to_le_bytes());
    }
    message.push(0);
    message.extend(content);
    stream.write_all(&message).await
}
