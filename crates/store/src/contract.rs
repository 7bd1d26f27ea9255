//! The contract that every backend keeps: plain functions over an open store.
//!
//! The suite knows no backend. One that is to keep the contract gives a [`bench::Backend`] and
//! a line of [`contract!`].

mod accounts;
mod attempts;
pub(crate) mod bench;
mod committed;
mod conditions;
mod duplicates;
mod idempotency;
mod ingest_sources;
mod integration_versions;
mod jobs;
mod ledger;
mod limits;
mod log;
mod model;
mod progress;
mod restart;
mod retention;
mod subscriptions;
mod tokens;

use bench::Bench;

/// Makes a test of each function of the suite, on a fresh bench of one backend.
macro_rules! contract {
    ($name:ident, $fresh:expr) => {
        mod $name {
            contract! { @topics $fresh;
                accounts {
                    an_account_is_made_once
                    a_data_key_is_made_when_a_master_key_is_at_hand_and_never_replaced
                    a_wrong_or_missing_master_key_opens_nothing_and_says_so
                    accounts_with_work_are_those_whose_subscriptions_have_some
                    an_account_of_the_operator_has_a_key_and_a_log_that_begins_with_it
                    a_suspended_account_has_no_work_and_its_subscriptions_keep_their_place
                }
                attempts {
                    attempts_are_numbered_and_read_newest_first
                    attempts_that_were_not_kept_leave_their_numbers_empty
                    attempts_of_another_account_are_not_written
                    old_attempts_are_dropped_those_of_deleted_subscriptions_too
                    attempts_beyond_the_number_are_dropped_in_steps
                }
                committed {
                    news_are_the_entries_in_order_without_gaps
                    a_slow_taker_loses_bytes_but_not_the_end_of_the_log
                }
                conditions {
                    a_condition_is_kept_with_the_entry_that_tells_of_it
                    an_ended_condition_is_forgotten_after_a_while
                }
                duplicates {
                    the_same_bytes_again_are_a_duplicate
                    other_bytes_under_the_same_id_refuse_the_whole_batch
                    a_batch_may_repeat_itself_but_not_contradict_itself
                    accounts_do_not_share_ids
                }
                idempotency {
                    the_same_request_gets_the_same_answer
                    another_request_under_the_key_is_refused
                    a_key_is_forgotten_after_a_day_and_not_before
                    a_refused_batch_does_not_use_up_its_key
                    accounts_do_not_share_keys
                }
                ingest_sources {
                    a_source_reads_back_as_it_was_stored
                    sources_are_listed_oldest_first_and_deleted_only_in_their_account
                    a_source_of_a_suspended_account_is_not_found
                    an_account_has_so_many_of_each_and_no_more
                }
                integration_versions {
                    the_version_kept_last_comes_first_and_stays
                    subscriptions_to_one_integration_are_listed_over_all_accounts
                }
                jobs {
                    a_replay_is_stored_with_its_record_and_read_back
                    jobs_take_turns_and_are_listed_newest_first
                    a_stopped_job_stays_stopped_whatever_the_journal_brings
                    a_redelivery_claims_its_letters_until_they_have_their_fate
                    a_subscription_has_a_bounded_number_of_jobs_that_have_not_ended
                    the_server_makes_a_job_of_the_letters_that_are_there
                    deleting_a_subscription_stops_its_jobs
                    the_first_entry_from_a_time_on_is_found
                    an_account_whose_only_work_is_a_job_has_work
                }
                ledger {
                    skipped_entries_that_touch_are_one_range_if_their_reason_is_the_same
                    the_ledger_tells_which_revision_judged_what
                    revisions_that_judged_nothing_are_paged_by_their_numbers
                    the_ledger_stays_when_the_subscription_goes
                    a_reader_beside_the_server_sees_what_the_server_does
                    an_asked_start_is_kept_for_the_first_time_that_it_is_on
                }
                limits {
                    an_account_over_its_share_is_refused_alone
                    a_full_queue_refuses_everybody_and_recovers
                    a_request_larger_than_the_queue_fits_into_an_empty_one
                    entries_are_refused_below_the_free_space_while_changes_go_on
                }
                log {
                    sequences_have_no_gaps_under_concurrent_appends
                    a_refused_batch_leaves_nothing_and_disturbs_nobody
                    bytes_are_kept_as_they_came
                    time_of_receipt_never_runs_backwards
                    pages_end_by_count_and_by_bytes
                    a_page_never_reaches_into_another_account
                    an_entry_is_found_by_its_id
                    an_entry_without_id_gets_one
                    an_empty_batch_stores_nothing
                    the_time_of_the_next_entry_is_told_for_each_place
                }
                progress {
                    a_subscription_starts_before_the_entry_that_records_it
                    a_subscription_that_is_off_has_no_start_until_it_is_first_on
                    an_edit_gives_a_caught_up_subscription_a_position_of_its_own
                    the_journal_is_read_back
                    the_matched_position_never_moves_back
                    the_journal_of_one_account_does_not_touch_another
                    dead_letters_are_listed_newest_first
                    a_dead_letter_tells_when_its_entry_came
                }
                restart {
                    everything_is_there_after_a_restart
                    a_closed_store_reads_but_writes_nothing
                }
                retention {
                    only_what_is_old_is_dropped_and_sequences_go_on
                    nothing_that_somebody_has_not_settled_is_dropped
                    a_deleted_subscription_holds_nothing_up
                    steps_end_by_entries_and_by_bytes
                    one_account_loses_nothing_to_another
                    a_dropped_id_is_free_again_and_a_repeated_request_still_answered
                    the_subscriptions_that_hold_the_log_up_are_told
                    progress_is_replaced_only_where_it_is_as_expected
                    the_journal_tells_in_its_own_transaction
                    an_account_has_its_own_age
                    nothing_leaves_under_a_legal_hold
                }
                subscriptions {
                    a_subscription_reads_back_as_it_was_stored
                    lists_are_per_account_and_integration_in_order_of_creation
                    an_update_is_a_new_revision_and_a_stale_one_conflicts
                    of_concurrent_updates_one_wins
                    a_deleted_subscription_is_gone_and_its_ledger_stays
                    a_change_that_fails_leaves_no_record
                    a_record_that_fails_leaves_no_change
                    nobody_reaches_the_subscription_of_another_account
                }
                tokens {
                    a_token_is_found_by_its_hash
                    a_token_that_is_refused_leaves_no_record
                    a_reset_leaves_one_old_value_until_its_time
                    a_token_is_changed_from_the_revision_that_was_read
                    a_deleted_token_is_gone
                    tokens_are_listed_newest_first_and_reached_only_in_their_account
                    the_last_use_of_a_token_never_moves_back
                }
            }

            #[test]
            fn random_calls_answer_as_the_model_does() {
                super::model::random_calls_answer_as_the_model_does($fresh);
            }
        }
    };
    (@topics $fresh:expr; $($topic:ident { $($case:ident)* })*) => {
        $(mod $topic {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::contract::$topic::$case($fresh()).await;
            })*
        })*
    };
}

contract!(on_sqlite, crate::contract::fresh_sqlite);

struct Sqlite(tempfile::TempDir);

impl bench::Backend for Sqlite {
    fn open(
        &self,
        options: crate::StoreOptions,
        clock: std::sync::Arc<bench::FakeClock>,
    ) -> Result<crate::Store, crate::OpenError> {
        crate::Store::open(self.0.path(), options, clock)
    }
}

pub(crate) fn fresh_sqlite() -> Bench {
    Bench::new(Box::new(Sqlite(tempfile::tempdir().expect("a directory"))))
}
