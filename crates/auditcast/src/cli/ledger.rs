//! `auditcast ledger verify`.

use anyhow::{Context, bail};
use delivery::ledger::{Sum, Verified, verify_account};
use domain::SubscriptionId;
use store::{Account, LedgerReader};

use crate::settings::Settings;

/// Which ledgers are to be checked; without any of these all of them.
pub(super) struct Request {
    /// The name of an account.
    pub(super) account: Option<String>,
    /// The id of a subscription.
    pub(super) subscription: Option<String>,
}

/// Checks ledgers against the log, and tells what it finds as it goes on. Says whether
/// everything is as it must be.
///
/// # Errors
/// When the database cannot be read, or there is no such account or subscription.
pub(super) fn verify(settings: &Settings, request: &Request, mut tell: impl FnMut(&str)) -> anyhow::Result<bool> {
    let wanted = request.subscription.as_deref().map(SubscriptionId::parse).transpose();
    let wanted = wanted.context("--subscription must be an id of 24 lower-case hex digits")?;
    let reader = LedgerReader::open(&settings.data_dir)
        .with_context(|| format!("no ledgers can be read in {}", settings.data_dir.display()))?;
    let mut accounts = reader.accounts()?;
    if let Some(name) = &request.account {
        accounts.retain(|account| account.name == *name);
        if accounts.is_empty() {
            bail!("there is no account {name}");
        }
    }
    let (mut checked, mut is_right) = (0, true);
    for Account { id, .. } in accounts {
        let mut subscriptions = reader.subscriptions(id)?;
        subscriptions.retain(|one| wanted.is_none_or(|wanted| *one == wanted));
        for verified in verify_account(&reader, id, &subscriptions)? {
            checked += 1;
            is_right &= verified.report.differences.is_empty();
            tell(&lines(&verified));
        }
    }
    match wanted {
        Some(wanted) if checked == 0 => bail!("there is no subscription {wanted}"),
        None if checked == 0 => tell("ok: there are no subscriptions\n"),
        _ => {}
    }
    Ok(is_right)
}

fn lines(Verified { ledger, report }: &Verified) -> String {
    let subject = format!("{} {} {:?}", ledger.subscription, ledger.integration, ledger.name);
    let mut text = String::new();
    for difference in &report.differences {
        text.push_str(&format!("differs {subject}: {difference}\n"));
    }
    if report.differences.is_empty() {
        let facts = match (Sum::of(ledger).ok().flatten(), ledger.start, &ledger.progress) {
            (Some(sum), Some(start), Some(progress)) => {
                let counts = progress.counts;
                format!(
                    "after {start} up to {}: delivered {}, filtered {}, skipped {}, dead {}, unsettled {}",
                    sum.frontier, counts.delivered, sum.filtered, counts.skipped, counts.dead, sum.unsettled
                )
            }
            _ => "never on".to_owned(),
        };
        text.push_str(&format!("ok {subject}: {facts}\n"));
    }
    if let (Some(start), Some(until)) = (ledger.start, report.gone_until) {
        let first = start.next();
        text.push_str(&format!("  note: {first} to {until} have left the log and could not be matched again\n"));
    }
    text
}
