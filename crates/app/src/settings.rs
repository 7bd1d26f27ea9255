//! Limits of the use cases.

/// Limits, and the name of this server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The id that this server's own deliveries carry in `Auditcast-Via`; ingest refuses it.
    pub instance: String,
    /// The largest body of an ingest request after decompression, in bytes.
    pub ingest_body_max_bytes: usize,
    /// The largest entry, in bytes.
    pub entry_max_bytes: usize,
    /// The most entries in one request.
    pub batch_max_entries: usize,
    /// The longest name of a subscription, in characters.
    pub name_max_chars: usize,
    /// The most tags of a subscription.
    pub tags_max: usize,
    /// The longest tag, in characters.
    pub tag_max_chars: usize,
    /// The longest comment on a change, in characters.
    pub comment_max_chars: usize,
    /// The largest config of a subscription as JSON text, in bytes.
    pub config_max_bytes: usize,
    /// The largest list of statements as JSON text, in bytes.
    pub statements_max_bytes: usize,
    /// The most operations in one JSON Patch.
    pub patch_max_operations: usize,
    /// How many subscriptions the metrics tell of one by one.
    pub metrics_subscriptions_max: usize,
}

impl Settings {
    /// The default limits for a server of this name.
    pub fn new(instance: impl Into<String>) -> Self {
        Self {
            instance: instance.into(),
            ingest_body_max_bytes: 10 * 1024 * 1024,
            entry_max_bytes: 256 * 1024,
            batch_max_entries: 10_000,
            name_max_chars: 256,
            tags_max: 100,
            tag_max_chars: 256,
            comment_max_chars: 4_000,
            config_max_bytes: 64 * 1024,
            statements_max_bytes: 256 * 1024,
            patch_max_operations: 100,
            metrics_subscriptions_max: 500,
        }
    }
}
