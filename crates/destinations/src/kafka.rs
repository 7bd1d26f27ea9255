//! Records of a Kafka topic, written with `acks=all`.
//!
//! Requests are encoded by `kafka-protocol`; each goes over a connection of the guarded client,
//! also to the brokers that the cluster names, which no Kafka client lets others make. Source:
//! Kafka protocol guide, versions that every broker since 2.1 knows.

mod connection;
mod error;
mod partition;
mod read;
mod request;
mod scram;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use delivery::{
    Outcome, Reason,
    client::Peer,
    destination::{Answered, Destination, Request, Summary, To, Way},
};
use domain::Entry;
use futures_util::future::{BoxFuture, join_all};
use integrations::RenderedItem;

use connection::{Connection, Failed, Security};
use read::Topic;
use request::Message;

/// A topic of a cluster.
pub(crate) struct Kafka;

struct Produce {
    url: String,
    bytes: usize,
    brokers: Vec<(String, u16)>,
    topic: String,
    security: Security,
    messages: Vec<Message>,
}

impl Destination for Kafka {
    fn request(
        &self,
        to: &To<'_>,
        entries: &[Arc<Entry>],
        items: Vec<RenderedItem>,
    ) -> Result<Box<dyn Request>, Outcome> {
        let failed = |text: &str| Outcome::Misconfigured(Reason::new("invalid_request", text));
        let (given, topic) = (to.text("brokers"), to.text("topic"));
        let broker =
            |text: &str| text.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let brokers: Option<Vec<_>> = given.split(',').map(broker).collect();
        let brokers = brokers.ok_or_else(|| failed("brokers are a list of hosts with ports up to 65535"))?;
        let security = Security::new(to).map_err(failed)?;
        let messages: Vec<_> = entries.iter().zip(items).map(|(entry, item)| Message::new(entry, item)).collect();
        let first = given.split(',').next().unwrap_or_default();
        Ok(Box::new(Produce {
            url: format!("kafka+{}://{first}/{topic}", if security.is_tls { "tls" } else { "tcp" }),
            bytes: messages.iter().map(|message| message.value.len()).sum(),
            brokers,
            topic,
            security,
            messages,
        }))
    }
}

impl Request for Produce {
    fn summary(&self) -> Summary<'_> {
        Summary { method: "PRODUCE", url: &self.url, bytes: self.bytes }
    }

    fn send<'a>(self: Box<Self>, way: Way<'a>) -> BoxFuture<'a, Answered> {
        Box::pin(async move {
            let limit = way.client.request_timeout();
            tokio::time::timeout(limit, self.produce(way)).await.unwrap_or_else(|_| {
                let text = format!("the cluster did not answer within {} s", limit.as_secs_f64());
                let outcome = Outcome::Unavailable(Reason::new("timeout", text));
                Answered { may_be_stored: true, ..Answered::whole(outcome) }
            })
        })
    }
}

impl Produce {
    async fn produce(&self, way: Way<'_>) -> Answered {
        let (topic, peer) = match self.look_up(way).await {
            Ok(found) => found,
            Err(Failed { outcome, peer }) => return Answered { peer, ..Answered::whole(*outcome) },
        };
        if topic.partitions.is_empty() {
            let outcome = Outcome::Unavailable(Reason::new("no_partitions", "the topic has no partitions"));
            return Answered { peer, ..Answered::whole(outcome) };
        }
        let loads = self.loads(&topic);
        let sends = loads.iter().map(|(leader, load)| self.send_to(way, &topic, *leader, load));
        let mut outcomes = vec![Outcome::Undecided { alone: false }; self.messages.len()];
        let mut may_be_stored = false;
        for (found, broken) in join_all(sends).await {
            may_be_stored |= broken;
            for (place, outcome) in found {
                outcomes[place] = outcome;
            }
        }
        Answered { peer, may_be_stored, ..Answered::each(outcomes) }
    }

    /// Asks the first broker that can be reached where the topic's partitions are.
    async fn look_up(&self, way: Way<'_>) -> Result<(Topic, Option<Peer>), Failed> {
        let mut last = None;
        for (host, port) in &self.brokers {
            match self.ask(way, host, *port).await {
                Ok(found) => return Ok(found),
                // Another one would say the same.
                Err(failed) if failed.peer.is_some() && !matches!(*failed.outcome, Outcome::Unavailable(_)) => {
                    return Err(failed);
                }
                Err(failed) => last = Some(failed),
            }
        }
        Err(last.unwrap_or_else(|| {
            Failed::from(Outcome::Misconfigured(Reason::new("invalid_request", "there is no broker")))
        }))
    }

    async fn ask(&self, way: Way<'_>, host: &str, port: u16) -> Result<(Topic, Option<Peer>), Failed> {
        let mut connection = Connection::open(way, host, port, &self.security).await?;
        let answer = connection.ask(&request::metadata(&self.topic)).await?;
        let topic = read::topic(answer).map_err(|unread| connection.failed(unread))?;
        match error::of(topic.error) {
            None => Ok((topic, connection.peer())),
            Some(outcome) => Err(connection.failed(outcome)),
        }
    }

    /// The places of the messages by partition, by the broker that leads it.
    fn loads(&self, topic: &Topic) -> BTreeMap<i32, BTreeMap<i32, Vec<usize>>> {
        let mut loads: BTreeMap<i32, BTreeMap<i32, Vec<usize>>> = BTreeMap::new();
        for (place, message) in self.messages.iter().enumerate() {
            let chosen = partition::of(&message.key, topic.partitions.len());
            let (index, leader) = topic.partitions[chosen];
            loads.entry(leader).or_default().entry(index).or_default().push(place);
        }
        loads
    }

    /// What came of the messages for one broker, and whether it may have what it did not confirm.
    async fn send_to(
        &self,
        way: Way<'_>,
        topic: &Topic,
        leader: i32,
        load: &BTreeMap<i32, Vec<usize>>,
    ) -> (Vec<(usize, Outcome)>, bool) {
        let all = |outcome: &Outcome| load.values().flatten().map(|place| (*place, outcome.clone())).collect();
        let Some((host, port)) = topic.brokers.get(&leader) else {
            let text = "a partition has no leader now";
            return (all(&Outcome::Unavailable(Reason::new("no_leader", text))), false);
        };
        let mut connection = match Connection::open(way, host, *port, &self.security).await {
            Ok(connection) => connection,
            Err(failed) => return (all(&failed.outcome), false),
        };
        let batches = load.iter().map(|(index, places)| {
            let messages: Vec<_> = places.iter().map(|place| &self.messages[*place]).collect();
            request::batch(&messages).map(|records: Bytes| (*index, records))
        });
        let batches = match batches.collect::<Result<Vec<_>, _>>() {
            Ok(batches) => batches,
            Err(text) => return (all(&Outcome::Unrenderable(Reason::new("unrenderable", text))), false),
        };
        let timeout = i32::try_from(way.client.request_timeout().as_millis()).unwrap_or(i32::MAX);
        let asked = connection.ask(&request::produce(&self.topic, batches, timeout)).await;
        let answer = match asked.and_then(|answer| read::produced(answer).map_err(|unread| connection.failed(unread))) {
            Ok(answer) => answer,
            Err(failed) => return (all(&failed.outcome), true),
        };
        let of_partition = |(index, places): (&i32, &Vec<usize>)| {
            let outcome = match answer.get(index) {
                None => error::unread("the answer says nothing of a partition"),
                Some(code) => error::of_records(*code, places.len()),
            };
            places.iter().map(|place| (*place, outcome.clone())).collect::<Vec<_>>()
        };
        (load.iter().flat_map(of_partition).collect(), false)
    }
}
