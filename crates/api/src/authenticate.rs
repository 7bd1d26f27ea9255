//! Lets only requests with a working token through.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use app::Caller;
use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, header::AUTHORIZATION},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    Answered, Shared,
    problem::Problem,
    rate::{Now, Told},
};

/// Answers 401 without a working token; else handlers find the [`Caller`] in the request. The
/// log finds the route and the account in the answer.
pub(crate) async fn require_token(
    State(shared): State<Arc<Shared>>,
    route: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let is_ingest = is_of_producers(route.as_str());
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let (mut response, account) = match let_in(&shared, request.headers(), address, is_ingest).await {
        Ok((caller, told)) => {
            let account = caller.account;
            request.extensions_mut().insert(caller);
            let mut response = next.run(request).await;
            if let Some(told) = told {
                told.write(response.headers_mut());
            }
            (response, Some(account))
        }
        Err(problem) => (problem.into_response(), None),
    };
    response.extensions_mut().insert(Answered { route, account });
    response
}

/// The owner of the token, and what to tell of its limit, unless there were too many requests.
///
/// Ingest with a token that works does not count for its address: producers behind one address
/// send as fast as they can.
async fn let_in(
    shared: &Shared,
    headers: &HeaderMap,
    address: Option<IpAddr>,
    is_ingest: bool,
) -> Result<(Arc<Caller>, Option<Told>), Problem> {
    let clock = shared.app.clock();
    let now = Now { wall: clock.now(), monotonic: clock.monotonic() };
    if !is_ingest {
        shared.rates.take_address(address, now)?;
    }
    let caller = match authenticate(shared, headers).await {
        Err(app::Error::Unauthorized) if is_ingest => {
            shared.rates.take_address(address, now)?;
            return Err(app::Error::Unauthorized.into());
        }
        result => result?,
    };
    let told = shared.rates.take_token(&caller, is_ingest, now)?;
    Ok((caller, told))
}

/// Whether the route is one that producers use.
fn is_of_producers(route: &str) -> bool {
    route.starts_with("/ingest/") || route == "/v1/logs"
}

async fn authenticate(shared: &Shared, headers: &HeaderMap) -> Result<Arc<Caller>, app::Error> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    shared.app.authenticate(header.ok_or(app::Error::Unauthorized)?).await
}
