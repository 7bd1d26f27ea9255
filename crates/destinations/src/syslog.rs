//! Syslog messages (RFC 5424) over TLS (RFC 5425) or TCP (RFC 6587, octet counting).
//!
//! The protocol has no answers. What counts as accepted, and what that is worth, stands in
//! docs/integrations/syslog.md.

mod message;

use std::{sync::Arc, time::Duration};

use delivery::{
    Outcome, Reason,
    client::{Channel, Peer, SendError},
    destination::{Answered, Destination, Request, Summary, To, Way},
};
use domain::Entry;
use futures_util::{FutureExt, future::BoxFuture};
use integrations::RenderedItem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use message::Header;

/// What a receiver may send until it closes. Syslog has no answers, so this is more than enough
/// to tell that something else is there.
const ANSWER_BYTES_MAX: usize = 4_096;

/// Receivers of syslog.
pub(crate) struct Syslog;

struct Frames {
    url: String,
    host: String,
    port: u16,
    is_tls: bool,
    verify_tls: bool,
    waits_for_close: bool,
    bytes: Vec<u8>,
}

impl Destination for Syslog {
    fn encode(&self, to: &To<'_>, _entry: &Entry, item: &mut RenderedItem) -> Result<(), Outcome> {
        let unrenderable = |text: String| Outcome::Unrenderable(Reason::new("unrenderable", text));
        let header = Header {
            facility: to.text("facility"),
            hostname: to.text("hostname"),
            app_name: to.text("appName"),
            data_id: to.text("structuredDataId"),
        };
        let bytes_max = to.text("messageBytesMax").parse().unwrap_or(usize::MAX);
        let message = message::of(&header, item, bytes_max).map_err(unrenderable)?;
        item.body = format!("{} ", message.len()).into_bytes();
        item.body.extend_from_slice(&message);
        Ok(())
    }

    fn request(
        &self,
        to: &To<'_>,
        _entries: &[Arc<Entry>],
        items: Vec<RenderedItem>,
    ) -> Result<Box<dyn Request>, Outcome> {
        let address = to.text("address");
        let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let Some((host, port)) = parts else {
            let text = "the address is not a host and a port up to 65535";
            return Err(Outcome::Misconfigured(Reason::new("invalid_request", text)));
        };
        let is_tls = to.text("transport") == "tls";
        Ok(Box::new(Frames {
            url: format!("syslog+{}://{address}", if is_tls { "tls" } else { "tcp" }),
            host,
            port,
            is_tls,
            verify_tls: to.integration.verifies_tls(to.config),
            waits_for_close: to.text("confirm") == "close",
            bytes: items.into_iter().flat_map(|item| item.body).collect(),
        }))
    }
}

impl Request for Frames {
    fn summary(&self) -> Summary<'_> {
        Summary { method: "SEND", url: &self.url, bytes: self.bytes.len() }
    }

    fn send<'a>(self: Box<Self>, way: Way<'a>) -> BoxFuture<'a, Answered> {
        Box::pin(async move {
            let profile = way.profile(self.verify_tls);
            let mut channel = match way.client.open(&self.host, self.port, self.is_tls, profile).await {
                Ok(channel) => channel,
                Err(error) => return Answered { may_be_stored: false, ..SendError::Connect(error).into() },
            };
            let peer = channel.peer();
            let limit = way.client.request_timeout();
            match tokio::time::timeout(limit, self.hand_over(&mut channel)).await {
                Ok(outcome) => answered(outcome, peer),
                Err(_) => answered(self.too_late(limit), peer),
            }
        })
    }
}

fn answered(outcome: Outcome, peer: Option<Peer>) -> Answered {
    Answered { peer, may_be_stored: true, ..Answered::whole(outcome) }
}

impl Frames {
    async fn hand_over(&self, channel: &mut Channel) -> Outcome {
        let broken = |error: std::io::Error| SendError::Broken(error.to_string()).into();
        if let Err(error) = channel.write_all(&self.bytes).await {
            return broken(error);
        }
        if let Err(error) = channel.flush().await {
            return broken(error);
        }
        if self.waits_for_close && has_closed(channel) {
            return broken(std::io::ErrorKind::ConnectionAborted.into());
        }
        // Ends what is sent, and leaves the other direction open.
        let ended = channel.shutdown().await;
        if !self.waits_for_close {
            return Outcome::Accepted;
        }
        if let Err(error) = ended {
            return broken(error);
        }
        match read_to_end(channel).await {
            Ok(0) => Outcome::Accepted,
            Ok(_) => {
                let text = "what is at this address answers, which receivers of syslog do not";
                Outcome::Unavailable(Reason::new("unexpected_reply", text))
            }
            Err(error) => broken(error),
        }
    }

    fn too_late(&self, limit: Duration) -> Outcome {
        let seconds = limit.as_secs_f64();
        let text = match self.waits_for_close {
            true => format!(
                "the receiver did not close the connection within {seconds} s, so nothing shows that it has read the \
                 messages; one that never does needs confirm: none"
            ),
            false => format!("the receiver did not take the messages within {seconds} s"),
        };
        Outcome::Unavailable(Reason::new("timeout", text))
    }
}

/// Whether the other side has closed, or has answered, before the end of what is sent.
fn has_closed(channel: &mut Channel) -> bool {
    channel.read(&mut [0; 1]).now_or_never().is_some()
}

/// How many bytes came until the other side closed. A system that closes a connection of which
/// something was not read resets it, which is an error here.
async fn read_to_end(channel: &mut Channel) -> std::io::Result<usize> {
    let mut buffer = [0; 256];
    let mut count = 0;
    while count <= ANSWER_BYTES_MAX {
        match channel.read(&mut buffer).await {
            Ok(0) => break,
            Ok(read) => count += read,
            // Many receivers end TLS without saying so. The messages went the other way.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}
