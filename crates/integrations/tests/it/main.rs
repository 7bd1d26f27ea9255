//! The integrations from outside: folders, configs, requests and replies.

#[cfg(test)]
mod address;
#[cfg(test)]
mod bombs;
#[cfg(test)]
mod built_in;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod config;
#[cfg(test)]
mod cut;
#[cfg(test)]
mod delivered;
#[cfg(test)]
mod folders;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod replies;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod settling;
#[cfg(test)]
mod support;
#[cfg(test)]
mod webhooks;
