//! The sink: stands in for destinations, counts the entries that come, and answers as each vendor
//! does, with as little work as that takes.

mod fault;
mod misbehaviour;
mod options;
mod serve;
mod tally;
mod tls;
mod vendor;

pub use self::{
    options::Options,
    serve::{CONTROL, run},
    tally::Stats,
};
