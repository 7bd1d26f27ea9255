//! What the policy language promises, from the outside.

mod examples;
mod index;
mod model;
mod properties;
mod validation;

use domain::{Access, Resource};

/// `updateOn proj/shop:env/test:flag/checkout;beta`: an action and a resource.
fn access(text: &str) -> Access {
    let (action, resource) = text.split_once(' ').expect("an access is an action, a space and a resource");
    Access { action: action.to_owned(), resource: Resource::parse(resource).expect("the resource is valid") }
}
