//! For clients that can only GET and POST.

use axum::{extract::Request, http::Method};

const HEADER: &str = "x-http-method-override";

/// A POST with `X-HTTP-Method-Override` stands for PATCH, PUT or DELETE; nothing else is overridden.
pub(crate) fn apply(request: &mut Request) {
    if request.method() == Method::POST
        && let Some(wanted) = request.headers().get(HEADER).and_then(|value| value.to_str().ok())
    {
        let allowed = [Method::PATCH, Method::PUT, Method::DELETE];
        if let Some(method) = allowed.into_iter().find(|method| wanted.eq_ignore_ascii_case(method.as_str())) {
            *request.method_mut() = method;
        }
    }
}
