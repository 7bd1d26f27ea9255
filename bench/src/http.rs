//! Single requests over plain HTTP to a process on this machine, for the runner's own calls.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// How long a call may take to connect, and each time until more of the answer comes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Sends one request on a connection of its own.
///
/// `token` becomes the header `Authorization`.
///
/// # Errors
/// No connection, no answer within 30 seconds, or one that is not HTTP.
pub fn call(to: SocketAddr, method: &str, path: &str, token: Option<&str>, body: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&to, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    let authorization = token.map(|token| format!("authorization: {token}\r\n")).unwrap_or_default();
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         {authorization}content-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

/// The processes that are called give every answer a length, and close the connection after it.
fn parse(answer: &[u8]) -> Option<Answer> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer { status, body: answer[end + 4..].to_vec() })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_answer_is_read_and_something_else_is_not() {
        let answer = parse(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n").expect("is HTTP");
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n\r\nbody").expect("is HTTP").body, b"body");
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_none());
        assert!(parse(b"SSH-2.0\r\n\r\n").is_none());
    }
}
