//! The integrations from outside: folders, configs, requests and replies.

mod address;
mod built_in;
mod cases;
mod config;
mod cut;
mod loading;
mod replies;
mod requests;
mod support;
