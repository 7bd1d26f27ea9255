//! `GET /api/v2/auditlog/export`

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use app::{Caller, Export, ExportAsked};
use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderName, HeaderValue, Uri, header},
    response::Response,
};
use bytes::Bytes;
use domain::Sequence;
use http_body::Frame;
use tokio::sync::mpsc;

use crate::{
    Shared,
    problem::Problem,
    query::Query,
    representation::export::{Form, HEADINGS, lines},
};

const FIRST: HeaderName = HeaderName::from_static("auditcast-first-sequence");
const LAST: HeaderName = HeaderName::from_static("auditcast-last-sequence");
/// Pages that are ready before the client has taken the one before them.
const PAGES_AHEAD: usize = 1;

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    uri: Uri,
) -> Result<Response, Problem> {
    let query = Query::of(&uri);
    let form = match query.choice("format", &["ndjson", "csv"])? {
        None | Some(0) => Form::Lines,
        Some(_) => Form::Table,
    };
    let asked = ExportAsked {
        first: query.number("fromSequence", 1..=u64::MAX)?.map(Sequence),
        last: query.number("toSequence", 1..=u64::MAX)?.map(Sequence),
        from: query.time("from")?,
        to: query.time("to")?,
    };
    let export = shared.app.entries_export(&caller, asked, form.name()).await?;
    Ok(answer(export, form))
}

fn answer(export: Export, form: Form) -> Response {
    let range = export.range();
    let (sender, pages) = mpsc::channel(PAGES_AHEAD);
    tokio::spawn(send(export, form, sender));
    let mut response = Response::new(Body::new(Pages(pages)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    if let Some((first, last)) = range {
        headers.insert(FIRST, first.0.into());
        headers.insert(LAST, last.0.into());
    }
    response
}

/// Sends page after page until all are sent or the client has gone.
async fn send(mut export: Export, form: Form, pages: mpsc::Sender<Result<Bytes, app::Cause>>) {
    if form == Form::Table && pages.send(Ok(Bytes::from_static(HEADINGS.as_bytes()))).await.is_err() {
        return;
    }
    loop {
        let page = match next(&mut export, form).await {
            Ok(page) if page.is_empty() => return,
            Ok(page) => Ok(page),
            Err(error) => {
                // The answer has begun, so all that can be done is to break it off.
                tracing::error!(error = domain::error_chain(&*error), "an export was broken off");
                Err(error)
            }
        };
        let is_end = page.is_err();
        if pages.send(page).await.is_err() || is_end {
            return;
        }
    }
}

async fn next(export: &mut Export, form: Form) -> Result<Bytes, app::Cause> {
    let entries = export.next().await?;
    // Writing a page takes longer than requests of others should wait.
    Ok(tokio::task::spawn_blocking(move || lines(&entries, form)).await?.into())
}

/// A body of pages that are made while it is sent.
struct Pages(mpsc::Receiver<Result<Bytes, app::Cause>>);

impl http_body::Body for Pages {
    type Data = Bytes;
    type Error = app::Cause;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, app::Cause>>> {
        self.0.poll_recv(context).map(|page| page.map(|page| page.map(Frame::data)))
    }
}
