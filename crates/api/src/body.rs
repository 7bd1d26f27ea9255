//! Reading request bodies through limits.

use std::{io::Read, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Shared, problem::Problem};

/// Room that is taken for bytes in memory, until it is dropped.
pub(crate) struct Room {
    buffers: Arc<Semaphore>,
    taken: Vec<OwnedSemaphorePermit>,
}

impl Room {
    pub(crate) fn of(shared: &Shared) -> Self {
        Self { buffers: Arc::clone(&shared.buffers), taken: Vec::new() }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Problem> {
        let busy = || Problem::from(app::Error::Busy { account_over_share: false });
        let permits = u32::try_from(bytes).map_err(|_| busy())?;
        let more = Arc::clone(&self.buffers).try_acquire_many_owned(permits).map_err(|_| busy())?;
        match self.taken.first_mut() {
            Some(first) => first.merge(more),
            None => self.taken.push(more),
        }
        Ok(())
    }
}

/// The body, decompressed, at most `bytes_max` bytes of it both before and after.
pub(crate) async fn read(request: Request, bytes_max: usize, mut room: Room) -> Result<(Bytes, Room), Problem> {
    let is_gzip = is_gzip(request.headers())?;
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|declared: u64| declared > bytes_max as u64) {
        return Err(Problem::too_large(bytes_max));
    }
    let body = collect(request.into_body(), bytes_max, &mut room).await?;
    if !is_gzip {
        return Ok((body, room));
    }
    tokio::task::spawn_blocking(move || Ok((decompress(&body, bytes_max, &mut room)?, room)))
        .await
        .map_err(|error| Problem::from(app::Error::Internal(error.into())))?
}

/// The body as JSON; its content type does not matter.
pub(crate) async fn read_json(shared: &Shared, request: Request) -> Result<Value, Problem> {
    let json = read_json_if_any(shared, request).await?;
    json.ok_or_else(|| Problem::invalid("the body is empty; JSON is expected"))
}

/// The same where the body may be left out.
pub(crate) async fn read_json_if_any(shared: &Shared, request: Request) -> Result<Option<Value>, Problem> {
    let (body, _room) = read(request, shared.settings.body_max_bytes, Room::of(shared)).await?;
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    // Errors of the parser tell line and column, never what stands there.
    let wrong = |error| Problem::invalid(format!("the body is not valid JSON: {error}"));
    serde_json::from_slice(&body).map(Some).map_err(wrong)
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Problem> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let first = encodings.next().map(|encoding| encoding.to_str().unwrap_or_default().trim());
    match (first, encodings.next()) {
        (None | Some(""), None) => Ok(false),
        (Some(encoding), None) if encoding.eq_ignore_ascii_case("identity") => Ok(false),
        (Some(encoding), None) if encoding.eq_ignore_ascii_case("gzip") => Ok(true),
        _ => Err(Problem::unsupported("Content-Encoding must be gzip or left out")),
    }
}

async fn collect(mut body: Body, bytes_max: usize, room: &mut Room) -> Result<Bytes, Problem> {
    // Most bodies come in one piece, which is not copied.
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        // The client has gone or is too slow; who reads this answer is not known.
        let frame = frame.map_err(|_| Problem::invalid("the body ended before it was whole"))?;
        let Ok(chunk) = frame.into_data() else { continue };
        if first.len().max(all.len()) + chunk.len() > bytes_max {
            return Err(Problem::too_large(bytes_max));
        }
        room.take(chunk.len())?;
        if first.is_empty() {
            first = chunk;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&chunk);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// Stops at the limit, so that a small body cannot become a large one in memory.
fn decompress(compressed: &[u8], bytes_max: usize, room: &mut Room) -> Result<Bytes, Problem> {
    let mut reader = MultiGzDecoder::new(compressed);
    let mut plain = BytesMut::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let count = reader.read(&mut chunk).map_err(|_| Problem::invalid("the body is not valid gzip"))?;
        if count == 0 {
            return Ok(plain.freeze());
        }
        if plain.len() + count > bytes_max {
            return Err(Problem::too_large(bytes_max));
        }
        room.take(count)?;
        plain.extend_from_slice(&chunk[..count]);
    }
}
