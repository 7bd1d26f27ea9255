//! What tokens may be allowed to do, by name.

/// Something that a token may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Store entries, on `acct`.
    IngestEntries,
    /// See a subscription, on `integration/<id>` like all that follow.
    ViewIntegration,
    /// Make a subscription.
    CreateIntegration,
    /// Delete a subscription.
    DeleteIntegration,
    /// Change its name.
    UpdateName,
    /// Switch it on or off.
    UpdateOn,
    /// Change its config, statements or tags.
    UpdateConfiguration,
    /// See how its deliveries fare, and its dead letters; on `webhook/<id>`, too.
    ViewDeliveries,
    /// Send its dead letters again; on `webhook/<id>`, too.
    Redeliver,
    /// Send entries of the log once more.
    ReplayIntegration,
    /// Send its test message; on `webhook/<id>`, too.
    ValidateConnection,
    /// See how the whole server fares, on `acct`.
    ViewMetrics,
    /// See and search the account's entries, on `acct`.
    ViewAuditLog,
    /// Take the account's entries away whole, on `acct`.
    ExportAuditLog,
    /// Change how long the account's entries are kept, on `acct`.
    UpdateRetention,
    /// Let nothing of the account be deleted, or let it be again, on `acct`.
    UpdateLegalHold,
    /// See a webhook and how its deliveries fare, on `webhook/<id>` like all that follow, and like
    /// the changes of name and switch.
    ViewWebhook,
    /// Make a webhook.
    CreateWebhook,
    /// Delete a webhook.
    DeleteWebhook,
    /// Change where its entries go.
    UpdateUrl,
    /// Change what its requests are signed with; whoever may sees it.
    UpdateSecret,
    /// Change its tags.
    UpdateTags,
    /// Change which entries it wants.
    UpdateStatements,
    /// Send entries of the log to it once more.
    ReplayWebhook,
    /// See an access token, on `member/<id>:token/<id>` or `service-token/<id>` like all that follow.
    ViewAccessToken,
    /// Make an access token.
    CreateAccessToken,
    /// Delete an access token.
    DeleteAccessToken,
    /// Give an access token another value.
    ResetAccessToken,
    /// Change its name.
    UpdateAccessTokenName,
    /// Change its description.
    UpdateAccessTokenDescription,
    /// Change what it may do.
    UpdateAccessTokenPolicy,
    /// Change when it stops working.
    UpdateAccessTokenExpiry,
    /// See an account from outside, on `account/<id>` like all that follow.
    ViewAccount,
    /// Make an account.
    CreateAccount,
    /// Change what its deliveries may reach.
    UpdateAccount,
    /// Keep it from doing anything.
    SuspendAccount,
    /// Let it go on.
    ResumeAccount,
}

/// What kind of thing an action is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Sending entries.
    Ingest,
    /// The server as a whole.
    Server,
    /// Looking at entries.
    LogView,
    /// Taking all entries away.
    LogExport,
    /// Looking at subscriptions and webhooks.
    SubscriptionView,
    /// Everything else with subscriptions and webhooks.
    SubscriptionChange,
    /// Looking at access tokens.
    TokenView,
    /// Everything else with access tokens.
    TokenChange,
    /// What only operators do.
    Operate,
}

impl Action {
    /// What changes of a subscription ask for.
    pub(crate) const CHANGES: [Self; 3] = [Self::UpdateName, Self::UpdateOn, Self::UpdateConfiguration];

    /// What changes of a webhook ask for.
    pub(crate) const WEBHOOK_CHANGES: [Self; 6] = [
        Self::UpdateName,
        Self::UpdateOn,
        Self::UpdateUrl,
        Self::UpdateSecret,
        Self::UpdateTags,
        Self::UpdateStatements,
    ];

    /// What changes of an access token ask for.
    pub(crate) const TOKEN_CHANGES: [Self; 4] = [
        Self::UpdateAccessTokenName,
        Self::UpdateAccessTokenDescription,
        Self::UpdateAccessTokenPolicy,
        Self::UpdateAccessTokenExpiry,
    ];

    /// The name in policies and entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IngestEntries => "ingestEntries",
            Self::ViewIntegration => "viewIntegration",
            Self::CreateIntegration => "createIntegration",
            Self::DeleteIntegration => "deleteIntegration",
            Self::UpdateName => "updateName",
            Self::UpdateOn => "updateOn",
            Self::UpdateConfiguration => "updateConfiguration",
            Self::ViewDeliveries => "viewDeliveries",
            Self::Redeliver => "redeliver",
            Self::ReplayIntegration => "replayIntegration",
            Self::ValidateConnection => "validateConnection",
            Self::ViewMetrics => "viewMetrics",
            Self::ViewAuditLog => "viewAuditLog",
            Self::ExportAuditLog => "exportAuditLog",
            Self::UpdateRetention => "updateRetention",
            Self::UpdateLegalHold => "updateLegalHold",
            Self::ViewWebhook => "viewWebhook",
            Self::CreateWebhook => "createWebhook",
            Self::DeleteWebhook => "deleteWebhook",
            Self::UpdateUrl => "updateUrl",
            Self::UpdateSecret => "updateSecret",
            Self::UpdateTags => "updateTags",
            Self::UpdateStatements => "updateStatements",
            Self::ReplayWebhook => "replayWebhook",
            Self::ViewAccessToken => "viewAccessToken",
            Self::CreateAccessToken => "createAccessToken",
            Self::DeleteAccessToken => "deleteAccessToken",
            Self::ResetAccessToken => "resetAccessToken",
            Self::UpdateAccessTokenName => "updateAccessTokenName",
            Self::UpdateAccessTokenDescription => "updateAccessTokenDescription",
            Self::UpdateAccessTokenPolicy => "updateAccessTokenPolicy",
            Self::UpdateAccessTokenExpiry => "updateAccessTokenExpiry",
            Self::ViewAccount => "viewAccount",
            Self::CreateAccount => "createAccount",
            Self::UpdateAccount => "updateAccount",
            Self::SuspendAccount => "suspendAccount",
            Self::ResumeAccount => "resumeAccount",
        }
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::IngestEntries => Family::Ingest,
            Self::ViewMetrics | Self::UpdateRetention | Self::UpdateLegalHold => Family::Server,
            Self::ViewAuditLog => Family::LogView,
            Self::ExportAuditLog => Family::LogExport,
            Self::ViewIntegration | Self::ViewDeliveries | Self::ViewWebhook => Family::SubscriptionView,
            Self::CreateIntegration
            | Self::DeleteIntegration
            | Self::UpdateName
            | Self::UpdateOn
            | Self::UpdateConfiguration
            | Self::Redeliver
            | Self::ReplayIntegration
            | Self::ValidateConnection
            | Self::CreateWebhook
            | Self::DeleteWebhook
            | Self::UpdateUrl
            | Self::UpdateSecret
            | Self::UpdateTags
            | Self::UpdateStatements
            | Self::ReplayWebhook => Family::SubscriptionChange,
            Self::ViewAccessToken => Family::TokenView,
            Self::CreateAccessToken
            | Self::DeleteAccessToken
            | Self::ResetAccessToken
            | Self::UpdateAccessTokenName
            | Self::UpdateAccessTokenDescription
            | Self::UpdateAccessTokenPolicy
            | Self::UpdateAccessTokenExpiry => Family::TokenChange,
            Self::ViewAccount
            | Self::CreateAccount
            | Self::UpdateAccount
            | Self::SuspendAccount
            | Self::ResumeAccount => Family::Operate,
        }
    }

    /// The changes that let see what they change; none for an action that is no such look.
    pub(crate) fn implied_by(self) -> &'static [Self] {
        match self {
            Self::ViewIntegration => &[
                Self::CreateIntegration,
                Self::DeleteIntegration,
                Self::UpdateName,
                Self::UpdateOn,
                Self::UpdateConfiguration,
            ],
            Self::ViewWebhook => &[
                Self::CreateWebhook,
                Self::DeleteWebhook,
                Self::UpdateName,
                Self::UpdateOn,
                Self::UpdateUrl,
                Self::UpdateSecret,
                Self::UpdateTags,
                Self::UpdateStatements,
            ],
            Self::ViewAccessToken => &[
                Self::CreateAccessToken,
                Self::DeleteAccessToken,
                Self::ResetAccessToken,
                Self::UpdateAccessTokenName,
                Self::UpdateAccessTokenDescription,
                Self::UpdateAccessTokenPolicy,
                Self::UpdateAccessTokenExpiry,
            ],
            _ => &[],
        }
    }
}
