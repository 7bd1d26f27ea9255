//! The listeners: HTTPS for the vendors, plain HTTP for the same, and HTTP for control.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use http::{Response, Uri, header::HOST};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    body::ReplyBody,
    certificates, control,
    fault::Fault,
    intake::{Answer, Delivery, Intake},
    options::Options,
    record::{Counts, Received},
    reply::Reply,
    request::{self, Request},
};

/// Most connections that a listener serves at once; further ones wait.
const CONNECTIONS_MAX: usize = 4_096;
/// Wait after a failed accept, which mostly means that the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running receiver. It ends when this is dropped, or by [`Receiver::shutdown`].
#[derive(Debug)]
pub struct Receiver {
    intake: Arc<Intake>,
    ca_pem: String,
    tls: SocketAddr,
    http: Option<SocketAddr>,
    control: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Receiver {
    /// Makes the certificates, binds the listeners and serves.
    ///
    /// # Errors
    /// An address that cannot be bound, a name that no certificate can carry, a folder that cannot be written.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let certificates = certificates::make(&options.extra_names)?;
        let ca_pem = certificates.ca_pem;
        if let Some(folder) = &options.certs {
            let file = folder.join("ca.pem");
            std::fs::write(&file, &ca_pem).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let tls = bind(options.tls_listen).await?;
        let control = bind(options.control_listen).await?;
        let http = match options.http_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let addresses =
            (tls.local_addr()?, http.as_ref().map(TcpListener::local_addr).transpose()?, control.local_addr()?);
        let intake = Arc::new(Intake::new(options));
        let acceptor = TlsAcceptor::from(certificates.server);
        let vendors = Service::Vendors(Arc::clone(&intake));
        let mut tasks = vec![tokio::spawn(accept(tls, Some(acceptor), vendors.clone()))];
        tasks.extend(http.map(|listener| tokio::spawn(accept(listener, None, vendors))));
        let service = Service::Control(Arc::clone(&intake), Arc::from(ca_pem.as_str()));
        tasks.push(tokio::spawn(accept(control, None, service)));
        Ok(Self { intake, ca_pem, tls: addresses.0, http: addresses.1, control: addresses.2, tasks })
    }

    /// Where HTTPS is served.
    pub fn tls_address(&self) -> SocketAddr {
        self.tls
    }

    /// Where plain HTTP is served, if it is.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where control is served.
    pub fn control_address(&self) -> SocketAddr {
        self.control
    }

    /// The certificate of the authority, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// All requests since the last clearing, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.intake.received(None)
    }

    /// The counts by destination since the last clearing.
    pub fn summary(&self) -> BTreeMap<&'static str, Counts> {
        self.intake.summary()
    }

    /// Orders a fault.
    ///
    /// # Errors
    /// An unknown destination, or `item_errors` at one that does not answer by item.
    pub fn order(&self, fault: Fault) -> Result<(), String> {
        self.intake.order(fault)
    }

    /// What judges the requests, for everything that control can do.
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// Closes the listeners and all connections, and waits until that is done.
    pub async fn shutdown(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // The end by abort is the one that was asked for.
            drop(task.await);
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen at {address}"))
}

#[derive(Clone)]
enum Service {
    Vendors(Arc<Intake>),
    Control(Arc<Intake>, Arc<str>),
}

/// Serves connections until it is aborted, which ends them too.
async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, service: Service) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        // The semaphore is never closed, so that waiting for a place cannot fail.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (acceptor, service) = (acceptor.clone(), service.clone());
        connections.spawn(async move {
            // A sender that does not finish its handshake or request is not worth a report.
            drop(connection(stream, acceptor, service).await);
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, service: Service) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match acceptor {
        Some(acceptor) => converse(acceptor.accept(stream).await?, service).await,
        None => converse(stream, service).await,
    }
    Ok(())
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, service: Service) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new());
    server.http2().timer(TokioTimer::new());
    let service = service_fn(move |request| exchange(service.clone(), request));
    // An error here is a connection that the sender or a fault closed.
    drop(server.serve_connection(TokioIo::new(stream), service).await);
}

/// Answers one request. An error closes the connection without an answer.
async fn exchange(service: Service, request: http::Request<Incoming>) -> Result<Response<ReplyBody>, io::Error> {
    let Some(request) = read(request).await else {
        return response(Reply::text(413, "the body is longer than any vendor takes"), Delivery::Whole);
    };
    match service {
        Service::Vendors(intake) => {
            let Answer { reply, delivery } = intake.answer(&request);
            if delivery == Delivery::Hang {
                std::future::pending::<()>().await;
            }
            response(reply, delivery)
        }
        Service::Control(intake, ca_pem) => response(control::answer(&intake, &ca_pem, &request), Delivery::Whole),
    }
}

/// Reads a request whole; `None` where its body is too long or breaks off.
async fn read(request: http::Request<Incoming>) -> Option<Request> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, request::BODY_MAX).collect().await.ok()?.to_bytes();
    let named = head.headers.get(HOST).and_then(|host| host.to_str().ok()).and_then(|host| host.parse::<Uri>().ok());
    let host = head.uri.host().map(str::to_owned).or_else(|| named.as_ref().and_then(Uri::host).map(str::to_owned));
    Some(Request {
        method: head.method,
        host: host.unwrap_or_default().to_ascii_lowercase(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
    })
}

fn response(reply: Reply, delivery: Delivery) -> Result<Response<ReplyBody>, io::Error> {
    let body = match delivery {
        Delivery::Whole => ReplyBody::Whole(reply.body),
        Delivery::Trickle(interval) => ReplyBody::trickle(reply.body, interval),
        Delivery::Endless => ReplyBody::Endless,
        Delivery::Reset | Delivery::Hang => return Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    };
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(body).map_err(io::Error::other)
}
