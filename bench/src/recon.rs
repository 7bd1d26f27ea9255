//! Compares what a load saw accepted with what a sink saw delivered.

use std::collections::HashMap;

use serde::Serialize;

/// What became of the entries of one or more loads.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Reconciled {
    /// Entries that the server had acknowledged.
    pub accepted: u64,
    /// Entries whose request was not answered with success: the server may have them or not.
    pub unsure: u64,
    /// Acknowledged entries that came to fewer paths than they had to.
    pub lost_entries: u64,
    /// The deliveries that these lack.
    pub lost_deliveries: u64,
    /// The first ten of the lost entries, as `RUN-SEQ`.
    pub lost_sample: Vec<String>,
    /// Deliveries beyond the first one of an entry to a path.
    pub extra_deliveries: u64,
    /// Unsure entries that came to some path.
    pub unsure_but_delivered: u64,
    /// Entries that came though no load sent them.
    pub strangers: u64,
}

#[derive(Default)]
struct Fate {
    accepted: Option<bool>,
    paths: u64,
    extra: u64,
}

/// Goes through the lines of `bench-load --ids-out` and those of the sink's ids, each entry having to
/// come to `fanout` paths.
///
/// # Errors
/// The first line that is not of the form that the tools write.
pub fn reconcile<'a>(
    accepted: impl Iterator<Item = &'a str>,
    delivered: impl Iterator<Item = &'a str>,
    fanout: u64,
) -> Result<Reconciled, String> {
    let mut fates: HashMap<&str, Fate> = HashMap::new();
    for line in accepted {
        let mut columns = line.split('\t');
        match (columns.next(), columns.next()) {
            (Some(kind @ ("A" | "E")), Some(id)) => fates.entry(id).or_default().accepted = Some(kind == "A"),
            _ => return Err(format!("not a line of bench-load --ids-out: {line}")),
        }
    }
    for line in delivered {
        let mut columns = line.split('\t').skip(1);
        let id = columns.next();
        let times = columns.next().and_then(|times| times.parse::<u64>().ok());
        let (Some(id), Some(times)) = (id, times) else { return Err(format!("not a line of the sink's ids: {line}")) };
        if times > 0 {
            let fate = fates.entry(id).or_default();
            fate.paths += 1;
            fate.extra += times - 1;
        }
    }
    Ok(sum(&fates, fanout))
}

fn sum(fates: &HashMap<&str, Fate>, fanout: u64) -> Reconciled {
    let mut sum = Reconciled::default();
    for (id, fate) in fates {
        sum.extra_deliveries += fate.extra;
        match fate.accepted {
            Some(true) => {
                sum.accepted += 1;
                if fate.paths < fanout {
                    sum.lost_entries += 1;
                    sum.lost_deliveries += fanout - fate.paths;
                    if sum.lost_sample.len() < 10 {
                        sum.lost_sample.push((*id).to_owned());
                    }
                }
            }
            Some(false) => {
                sum.unsure += 1;
                sum.unsure_but_delivered += u64::from(fate.paths > 0);
            }
            None => sum.strangers += 1,
        }
    }
    sum.lost_sample.sort_unstable();
    sum
}

#[cfg(test)]
mod tests {
    use super::{Reconciled, reconcile};

    const ACCEPTED: &str = "A\tr-0\t1\nA\tr-1\t1\nE\tr-2\t1\nE\tr-3\t1";

    #[test]
    fn what_is_missing_doubled_or_strange_is_told_apart() {
        let delivered = "/a\tr-0\t1\t1\t5\n/b\tr-0\t3\t3\t5\n/a\tr-1\t0\t2\t0\n/a\tr-3\t1\t1\t5\n/a\tx-9\t1\t1\t5";
        assert_eq!(
            reconcile(ACCEPTED.lines(), delivered.lines(), 1),
            Ok(Reconciled {
                accepted: 2,
                unsure: 2,
                lost_entries: 1,
                lost_deliveries: 1,
                lost_sample: vec!["r-1".to_owned()],
                extra_deliveries: 2,
                unsure_but_delivered: 1,
                strangers: 1,
            })
        );
    }

    #[test]
    fn each_path_has_to_have_each_entry() {
        let delivered = "/a\tr-0\t1\n/a\tr-1\t1\n/b\tr-1\t1";
        let found = reconcile(ACCEPTED.lines(), delivered.lines(), 2).expect("the lines are good");
        assert_eq!((found.lost_entries, found.lost_deliveries), (1, 1));
        assert_eq!(found.lost_sample, ["r-0"]);
    }

    #[test]
    fn a_line_of_another_form_is_a_mistake() {
        assert!(reconcile(["X\tr-0"].into_iter(), [].into_iter(), 1).is_err());
        assert!(reconcile([].into_iter(), ["/a\tr-0\tmany"].into_iter(), 1).is_err());
    }
}
