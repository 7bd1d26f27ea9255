//! Lets only requests with a working token through.

use std::sync::Arc;

use app::Caller;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, header::AUTHORIZATION},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::AccountId;

use crate::{Route, Shared, problem::Problem};

/// For whom a request was answered; for the log.
#[derive(Clone, Copy)]
pub(crate) struct Account(pub(crate) AccountId);

/// Answers 401 without a working token; else handlers find the [`Caller`] in the request. The
/// log finds the route and the account in the answer.
pub(crate) async fn require_token(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let route = Route::of(&request);
    let mut response = match authenticate(&shared, request.headers()).await {
        Ok(caller) => {
            let account = Account(caller.account);
            request.extensions_mut().insert(caller);
            let mut response = next.run(request).await;
            response.extensions_mut().insert(account);
            response
        }
        Err(error) => Problem::from(error).into_response(),
    };
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

async fn authenticate(shared: &Shared, headers: &HeaderMap) -> Result<Arc<Caller>, app::Error> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    shared.app.authenticate(header.ok_or(app::Error::Unauthorized)?).await
}
