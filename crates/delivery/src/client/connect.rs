//! From a URL to a connection: resolve, check, connect, shake hands.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use rustls::{CertificateError, ClientConfig};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower_service::Service;

use super::{AddressGuard, ClientSettings, Redirection};

/// Where to connect for some names and ports. The name in the request, and the one that the
/// certificate is checked for, stay.
#[derive(Clone, Debug, Default)]
pub struct ConnectTo(HashMap<(String, u16), SocketAddr>);

impl FromIterator<Redirection> for ConnectTo {
    fn from_iter<T: IntoIterator<Item = Redirection>>(redirections: T) -> Self {
        let key = |host: String| host.to_ascii_lowercase();
        Self(redirections.into_iter().map(|(host, port, to)| ((key(host), port), to)).collect())
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL has no host, or another scheme than http and https.
    #[error("the URL has no host or is neither http nor https")]
    Url,
    /// The name has no address.
    #[error("{host} has no address: {cause}")]
    Dns {
        /// The name.
        host: String,
        /// What the resolver says.
        cause: String,
    },
    /// All addresses of the name are refused by the guard.
    #[error(
        "{host} has no address that deliveries may reach (private and special ranges are refused unless the operator allows them)"
    )]
    Blocked {
        /// The name.
        host: String,
    },
    /// No address took the connection.
    #[error("{host} takes no connection: {cause}")]
    Tcp {
        /// The name.
        host: String,
        /// What the system says.
        cause: String,
    },
    /// The connection was not there in time.
    #[error("{host} took no connection within {} s", .after.as_secs_f64())]
    TcpTimeout {
        /// The name.
        host: String,
        /// The limit.
        after: Duration,
    },
    /// The handshake failed: certificate, name, protocol.
    #[error("TLS with {host} failed: {cause}")]
    Tls {
        /// The name.
        host: String,
        /// What failed.
        cause: String,
    },
    /// The handshake broke off.
    #[error("TLS with {host} broke off: {cause}")]
    TlsBroken {
        /// The name.
        host: String,
        /// What the system says.
        cause: String,
    },
    /// The handshake did not end in time.
    #[error("TLS with {host} took longer than {} s", .after.as_secs_f64())]
    TlsTimeout {
        /// The name.
        host: String,
        /// The limit.
        after: Duration,
    },
}

impl ConnectError {
    /// For programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Url => "invalid_url",
            Self::Dns { .. } => "dns",
            Self::Blocked { .. } => "address_blocked",
            Self::Tcp { .. } | Self::TcpTimeout { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::TlsBroken { .. } | Self::TlsTimeout { .. } => "tls_broken",
        }
    }

    /// Whether trying again will not help until somebody changes something.
    pub fn is_misconfiguration(&self) -> bool {
        matches!(self, Self::Url | Self::Blocked { .. } | Self::Tls { .. })
    }
}

#[derive(Clone)]
pub(crate) struct Connector {
    connect_to: Arc<ConnectTo>,
    guard: AddressGuard,
    tls: Arc<ClientConfig>,
    connect_timeout: Duration,
    tls_timeout: Duration,
}

impl Connector {
    pub(crate) fn new(settings: &ClientSettings, guard: AddressGuard, tls: Arc<ClientConfig>) -> Self {
        Self {
            connect_to: Arc::new(settings.connect_to.clone()),
            guard,
            tls,
            connect_timeout: settings.connect_timeout,
            tls_timeout: settings.tls_timeout,
        }
    }

    async fn connect(self, uri: Uri) -> Result<Stream, ConnectError> {
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(ConnectError::Url),
        };
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        self.open(uri.host().ok_or(ConnectError::Url)?, port, is_tls).await
    }

    /// Connects to a name or an address, which may stand in brackets.
    pub(crate) async fn open(self, host: &str, port: u16, is_tls: bool) -> Result<Stream, ConnectError> {
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        let after = self.connect_timeout;
        let tcp = tokio::time::timeout(after, self.dial(&host, port))
            .await
            .map_err(|_| ConnectError::TcpTimeout { host: host.clone(), after })??;
        // Requests are written whole; waiting to fill a packet only delays them.
        let _ = tcp.set_nodelay(true);
        let peer = tcp.peer_addr().ok();
        if !is_tls {
            return Ok(Stream::new(Io::Plain(TokioIo::new(tcp)), peer.map(|peer| Peer { address: peer, tls: None })));
        }
        self.shake_hands(tcp, host, peer).await
    }

    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
        let failed = |cause: io::Error| ConnectError::Tcp { host: host.to_owned(), cause: cause.to_string() };
        if let Some(address) = self.connect_to.0.get(&(host.to_owned(), port)) {
            return TcpStream::connect(address).await.map_err(failed);
        }
        let addresses = tokio::net::lookup_host((host, port))
            .await
            .map_err(|cause| ConnectError::Dns { host: host.to_owned(), cause: cause.to_string() })?;
        let permitted: Vec<_> = addresses
            .filter(|address| self.guard.permits(address.ip(), address.port()))
            // The very address that was judged, also where the system has no IPv6.
            .map(|address| SocketAddr::new(address.ip().to_canonical(), address.port()))
            .collect();
        // An address that does not answer must leave time for the next one.
        let share = self.connect_timeout / u32::try_from(permitted.len().max(1)).unwrap_or(u32::MAX);
        let mut last = ConnectError::Blocked { host: host.to_owned() };
        for address in permitted {
            match tokio::time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(cause)) => last = failed(cause),
                Err(_) => last = ConnectError::TcpTimeout { host: host.to_owned(), after: self.connect_timeout },
            }
        }
        Err(last)
    }

    async fn shake_hands(self, tcp: TcpStream, host: String, peer: Option<SocketAddr>) -> Result<Stream, ConnectError> {
        let name = ServerName::try_from(host.clone()).map_err(|_| ConnectError::Url)?;
        let after = self.tls_timeout;
        match tokio::time::timeout(after, TlsConnector::from(self.tls).connect(name, tcp)).await {
            Ok(Ok(stream)) => {
                let tls = tls_facts(stream.get_ref().1);
                let peer = peer.map(|address| Peer { address, tls });
                Ok(Stream::new(Io::Tls(TokioIo::new(Box::new(stream))), peer))
            }
            Ok(Err(error)) => Err(match error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
                Some(cause) => ConnectError::Tls { host, cause: tls_cause(cause) },
                None => ConnectError::TlsBroken { host, cause: error.to_string() },
            }),
            Err(_) => Err(ConnectError::TlsTimeout { host, after }),
        }
    }
}

fn tls_facts(connection: &rustls::ClientConnection) -> Option<(&'static str, &'static str)> {
    let version = connection.protocol_version()?.as_str()?;
    Some((version, connection.negotiated_cipher_suite()?.suite().as_str()?))
}

/// What failed, without what a certificate says of other names of the host.
fn tls_cause(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }) => {
            "invalid peer certificate: NotValidForName".to_owned()
        }
        other => other.to_string(),
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// Whether a connection has brought an answer before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answered(Arc<AtomicBool>);

impl Answered {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Address and port.
    pub address: SocketAddr,
    /// Version and cipher suite, as rustls names them; `None` without TLS.
    pub tls: Option<(&'static str, &'static str)>,
}

/// A connection, with or without TLS.
pub(crate) struct Stream {
    io: Io,
    answered: Answered,
    peer: Option<Peer>,
}

enum Io {
    Plain(TokioIo<TcpStream>),
    Tls(TokioIo<Box<TlsStream<TcpStream>>>),
}

impl Stream {
    fn new(io: Io, peer: Option<Peer>) -> Self {
        Self { io, answered: Answered::default(), peer }
    }

    pub(crate) fn peer(&self) -> Option<Peer> {
        self.peer
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(self.answered.clone());
        match self.peer {
            Some(peer) => connected.extra(peer),
            None => connected,
        }
    }
}

impl Read for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Io::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        }
    }
}
