//! `POST /ingest/launchdarkly/{source}`

use std::{net::SocketAddr, sync::Arc};

use app::{Error, SignedEntry};
use axum::{
    extract::{ConnectInfo, Request, State},
    http::header,
    response::Response,
};

use super::{
    Key,
    entries_ingest::{VIA, answer, text},
};
use crate::{
    Shared,
    body::{self, Room},
    problem::Problem,
    rate::Now,
};

const SIGNATURE: &str = "x-ld-signature";

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Key(source): Key,
    request: Request,
) -> Result<Response, Problem> {
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(Problem::unsupported(
            "Content-Encoding must be left out: the signature is that of the body as sent",
        ));
    }
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let signature = text(request.headers(), SIGNATURE)?;
    let via = text(request.headers(), VIA)?;
    // One entry; who sends more without having shown a secret finds the door shut early.
    let bytes_max = shared.app.settings().entry_max_bytes;
    let (body, _room) = body::read(request, bytes_max, Room::of(&shared)).await?;
    match shared.app.launchdarkly_ingest(&source, SignedEntry { body, signature, via }).await {
        // As of ingest with a token, only strangers count for their address.
        Err(error @ (Error::NotFound(_) | Error::Signature)) => {
            let clock = shared.app.clock();
            let now = Now { wall: clock.now(), monotonic: clock.monotonic() };
            shared.rates.take_address(address, now)?;
            Err(error.into())
        }
        ingested => Ok(answer(&ingested?, false)),
    }
}
