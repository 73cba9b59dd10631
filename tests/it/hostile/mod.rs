//! Nothing hostile gets through: the real binary against servers, files and configurations that mean harm.
//!
//! Whatever is sent or dropped, [`Lab::holds`](lab::Lab::holds) wants the same of every run: the agent's memory under
//! 64 MiB, the disk bounded, no control character, no forged line and no spelling of a secret in standard error (at
//! level `trace`), `status`, `check`, receipts and metadata.
//!
//! The rows are those of the project's list of hostile inputs: X documents, H servers, N names and directories.
//!
//! | row | test |
//! |---|---|
//! | X01-X06 | `xml::a_document_that_is_cut_short_or_torn_is_refused` |
//! | X07-X13 | `xml::document_types_and_entities_are_refused` |
//! | X14, X15, X17, X19, X20 | `xml::characters_and_encodings_that_are_not_what_they_say_are_refused` |
//! | X16, X18, X25, X32, X36, X37, X39, X42, X44 | `xml::what_is_unusual_and_well_formed_is_taken` |
//! | X21-X24, X43 | `xml::what_is_too_much_is_refused_and_the_limit_named` |
//! | X11, X13, X14, X21-X23, X26, X28 in a block | `xml::a_bad_block_does_not_hold_up_its_neighbours` |
//! | X26-X30, X41 | `xml::names_that_are_not_what_they_seem_are_refused` |
//! | X31 | `xml::many_blocks_take_no_more_memory_than_one` |
//! | X33, X34 | `xml::parts_that_never_end_or_do_not_follow_each_other_end_the_poll` |
//! | X35 | `xml::broken_base64_is_kept_as_it_came_and_holds_up_nobody` |
//! | X38 | `xml::an_end_from_another_century_does_not_move_the_cursor_there` |
//! | X40 | `xml::a_status_message_cannot_write_to_the_terminal_or_fill_it` |
//! | H01, H02 | `http::a_body_without_end_is_ended_by_max_response` |
//! | H03-H05, H13 | `http::a_slow_answer_is_ended_by_a_time_out_that_is_named` |
//! | H06, H33 | `http::a_server_that_takes_the_connection_and_never_speaks_tls_is_given_up` |
//! | H07-H10, H24, H36 | `http::a_body_that_ends_elsewhere_than_it_said_is_refused` |
//! | H11, H26, H31 | `http::length_and_chunks_together_are_taken_and_headers_decide_nothing` |
//! | H12, H25, H34 | `http::a_head_that_is_too_large_or_not_http_is_refused` |
//! | H14, H15, H17 | `http::a_redirect_elsewhere_is_not_followed_and_nothing_goes_there` |
//! | H16 | `http::redirects_within_the_origin_are_followed_three_times` |
//! | H18 | `http::proxies_of_the_environment_are_not_used` |
//! | H19-H21 | `http::an_advertised_address_elsewhere_is_not_used_and_the_error_names_both_remedies` |
//! | H19, H32 | `http::an_address_or_a_header_that_would_smuggle_something_is_a_mistake` |
//! | H22, H23 | `tests/peers/test_tls.py`; `wire::tests::transport` |
//! | H27 | `http::waits_that_a_server_asks_for_are_bounded` |
//! | H28, H29 | `http::refusals_are_not_repeated_and_others_go_on` |
//! | H30 | `http::a_message_without_an_answer_is_sent_again` |
//! | H35 | `http::no_room_means_no_request` |
//! | N01 | `drops::a_collections_name_is_never_part_of_a_path` |
//! | N02-N04 | `drops::a_dropped_file_may_have_any_name_that_a_file_can_have` |
//! | N05, N06, N09 | `drops::what_is_not_a_regular_file_is_neither_opened_nor_moved` |
//! | N06, N23 | `drops::a_directory_of_the_agents_own_that_is_a_link_is_not_followed` |
//! | N07 | `drops::a_file_that_is_swapped_for_a_link_again_and_again_is_never_followed` |
//! | N08, N14 | `drops::a_hard_link_is_a_file_and_its_other_name_stays` |
//! | N10 | `drops::a_file_that_is_too_large_is_not_read` |
//! | N11-N13, N21 | `drops::a_file_that_changes_while_it_is_read_is_not_sent_in_halves` |
//! | N15, N16 | `drops::many_files_and_many_directories_take_no_more_memory` |
//! | N17 | `drops::names_that_mean_not_yet_are_left_alone` |
//! | N18 | `drops::a_file_that_cannot_be_opened_does_not_hold_up_its_neighbours` |
//! | N19 | `drops::an_original_that_cannot_be_removed_is_sent_once` |
//! | N20, N25 | `drops::a_directory_that_is_swapped_for_a_link_while_the_agent_runs_is_not_followed` |
//! | N21, N22 | `drops::the_same_name_and_the_same_bytes_twice_are_two_files_and_one_delivery` |
//! | N23 | `drops::what_somebody_else_puts_into_the_agents_directories_is_not_handed_over` |
//! | N24 | `drops::a_ledger_that_is_damaged_or_newer_stops_the_agent_and_is_not_touched` |
//! | N25 | `drops::a_drop_directory_may_be_a_link_that_the_operator_made` |
//! | N26 | `drops::modes_do_not_depend_on_the_umask` |
//! | N27 | `drops::a_configuration_that_is_huge_unknown_or_none_is_refused`, `login::a_secret_in_the_configuration_…` |
//!
//! Where the list and the contract differ, the contract wins:
//!
//! - X16, X18: UTF-16 and ISO-8859-1 are read where they are declared (protocol reference, 2).
//! - X13, X14, X26, X28 inside of a content set that one block aside, not the reply.
//! - X31: blocks are not counted; `max_response` and the free space bound a part. H01: nor is a ratio of compression.
//! - X35, X36: text that is not what its binding says is handed over as it came.
//! - X39: `in_response_to` is not looked at (protocol reference, 15).
//! - H16: 307 and 308 within the origin are followed, three times.
//! - H26: the body decides whether it is a message (protocol reference, 2.2).
//! - H36: deflate is asked for as well as gzip.
//! - N02, N03: a file keeps its own name in `sent/` and `failed/`. N08: a hard link is a file like any other.
//! - N13: what is half written for longer than `settle` is taken, found torn, and put into `failed/`.
//! - N17: every name is included unless `include` says otherwise. N22: a content is delivered to an inbox once.

mod drops;
mod http;
mod lab;
mod leaks;
mod login;
mod xml;
