"""Which tests stand for what is promised: each of them exists, under this name.

A01 to A21 are abuse of the API, K01 to K11 crashes and outages, Q01 to Q55 requests, R01 to R18 answers and streams, Z
faults of others.
"""

import ast
import functools
import itertools
from collections import Counter
from pathlib import Path

import pytest
from zrokd_plugins.mode_proxy import ProxySettings
from zrokd_plugins.mode_tcp import TcpSettings

from tests.test_docs import told_limits
from tests.unit.net.http1.rows import BODIES, GOOD, HEADS
from tests.unit.proxy.test_strict import COOKIES, ELSEWHERE, OURS, TAKEN
from tests.unit.proxy.test_strict_answers import GIVEN
from tests.unit.proxy.test_strict_stops import EARLY, SILENT, STOPPED
from zrokd.contracts.settings import SizeBytes

TESTS = Path(__file__).parent
API, RESOURCES, SERVICE, PLUGINS = "unit/api", "unit/api/resources", "unit/service", "plugins"
HTTP, PROXY = "unit/net/http1", "unit/proxy"
ROWS = {
    "A01 guessed passwords": f"""
        {API}/test_abuse.py test_a01_a_thousand_guesses_reach_ten_hashes_and_the_owner_gets_in
        {API}/test_abuse.py test_a01_guesses_at_nobody_are_held_up_alike
        {SERVICE}/test_guesses.py test_many_at_once_are_no_more_than_one_after_another
        {SERVICE}/test_logins.py test_wrong_passwords_elsewhere_count_and_outages_do_not""",
    "A02 known and unknown addresses": f"""
        {API}/test_abuse.py test_a02_who_has_an_account_cannot_be_told
        {RESOURCES}/test_registration.py test_a_login_that_fails_says_the_same_whatever_was_wrong
        {SERVICE}/test_logins.py test_who_is_known_elsewhere_has_no_other_password
        flow/test_sign_in.py test_whoever_is_refused_is_told_the_same""",
    "A03 comparing secrets": f"""
        {PLUGINS}/test_auth_secret.py test_every_secret_is_compared_whatever_the_token
        unit/store/test_hashing.py test_any_text_a_caller_can_send_has_a_digest
        {PLUGINS}/test_gate_basic.py test_wrong_ones_are_verified_each_time""",
    "A04 keys": f"""
        {API}/test_abuse.py test_a04_a_key_is_never_taken_from_an_address
        {API}/test_dispatch.py test_a_token_is_taken_from_nowhere_else
        unit/client/test_transport.py test_a_redirect_is_not_followed_with_the_token
        {PLUGINS}/test_role_controller.py test_guessed_tokens_stand_in_a_line_of_their_own""",
    "A05 secrets in logs and at rest": f"""
        {RESOURCES}/test_registration.py test_secrets_are_nowhere_in_the_database
        {API}/test_dispatch.py test_no_secret_of_a_request_is_logged
        {API}/test_audit.py test_each_change_leaves_one_record_without_secrets_and_all_of_them_hold
        {PLUGINS}/test_role_controller.py test_no_secret_is_logged
        {PLUGINS}/test_auth_ldap.py test_what_the_operator_got_wrong_is_no_wrong_password
        flow/test_three_daemons.py test_secrets_are_in_no_log_and_in_no_command_line""",
    "A06 other people's things": f"""
        {API}/test_tenants.py test_every_operation_of_accounts_is_in_the_matrix
        {API}/test_tenants.py test_a06_the_door_is_shut_to_whom_an_operation_is_not_for_whatever_they_name
        {API}/test_tenants.py test_a06_what_is_somebody_elses_is_as_if_it_did_not_exist
        {API}/test_tenants.py test_a06_the_owner_is_answered_otherwise""",
    "A07 fields that nobody asked for": f"""
        {API}/test_abuse.py test_a07_fields_that_nobody_asked_for_change_nothing""",
    "A08 letters used twice": f"""
        {SERVICE}/test_registrations.py test_of_twenty_registrations_with_one_token_one_wins
        {SERVICE}/test_registrations.py test_of_two_resets_with_one_token_one_wins
        {RESOURCES}/test_registration.py test_a_registration_is_good_for_as_long_as_the_site_says
        {RESOURCES}/test_registration.py test_a_request_for_a_new_password_ends_with_its_time_and_with_the_account
        {RESOURCES}/test_registration.py test_an_invite_token_lets_one_address_in
        {RESOURCES}/test_registration.py
            test_a_new_password_by_letter_ends_what_logins_gave_and_leaves_machines_alone""",
    "A09 strange texts": f"""
        {API}/test_tenants.py test_strange_texts_touch_nothing_and_break_nothing
        {PLUGINS}/test_auth_ldap.py test_what_is_typed_stays_one_value_of_the_filter
        wire/test_openapi_examples.py test_every_answer_is_as_the_document_says_and_none_is_a_failure""",
    "A10 connections in somebody's name": f"""
        {API}/test_abuse.py test_a10_the_controller_connects_to_nothing_that_a_tenant_names
        {PLUGINS}/test_mode_proxy.py test_a10_whatever_host_a_visitor_names_the_target_alone_is_asked
        {PLUGINS}/test_auth_oidc.py test_a_token_that_brings_its_own_key_is_denied""",
    "A11 names and tokens": f"""
        unit/model/test_naming.py test_bad_names_are_refused_with_the_rule
        unit/model/test_naming.py test_whatever_passes_can_stand_in_a_host_name
        {SERVICE}/test_names.py test_a_closed_namespace_answers_like_a_missing_one
        {SERVICE}/test_names.py test_a_deleted_name_is_free_for_anybody""",
    "A12 one name wanted by many": f"""
        {SERVICE}/test_names.py test_of_fifty_who_want_one_name_one_gets_it
        {SERVICE}/test_shares.py test_of_fifty_environments_that_want_one_name_one_gets_it
        {SERVICE}/test_names.py test_a_name_in_use_cannot_be_deleted""",
    "A13 limits": f"""
        {SERVICE}/test_limits.py test_of_a_hundred_at_once_no_more_than_the_limit_get_one
        {SERVICE}/test_shares.py test_of_a_hundred_at_once_no_more_than_the_limit_get_one""",
    "A14 asked again": f"""
        {API}/test_once.py test_a_create_made_again_is_answered_as_before_and_done_once
        {API}/test_once.py test_a_key_is_its_callers_own
        {SERVICE}/test_shares.py test_of_fifty_starts_in_one_environment_all_mean_one_share
        {SERVICE}/test_environments.py test_twice_at_once_is_as_good_as_once
        {SERVICE}/test_environments.py test_a_disabling_that_the_overlay_refuses_hides_all_and_can_be_repeated""",
    "A15 large bodies": f"""
        {PLUGINS}/test_role_controller.py test_a15_large_bodies_of_nobody_are_refused_and_take_no_memory
        unit/net/test_wsgi.py test_a_body_over_the_limit_is_413_before_the_application_runs""",
    "A16 garbled bodies": f"""
        {API}/test_bodies.py test_bodies_that_are_no_plain_objects_are_refused_quickly
        {API}/test_bodies.py test_any_bytes_are_an_object_or_invalid
        {API}/test_abuse.py test_a16_a_body_that_is_packed_is_not_unpacked""",
    "A17 other sites in a browser": f"""
        {API}/test_abuse.py test_a17_no_other_site_reads_answers_or_asks_by_a_form""",
    "A18 tokens of a provider": f"""
        {PLUGINS}/test_auth_oidc.py test_another_algorithm_than_the_keys_is_denied
        {PLUGINS}/test_auth_oidc.py test_a_public_key_is_never_a_secret
        {PLUGINS}/test_auth_oidc.py test_a_token_that_is_not_for_us_or_not_now_or_of_nobody_is_denied""",
    "A19 what is taken back": f"""
        {SERVICE}/test_tokens.py test_revoking_ends_it_at_once_and_no_other
        {SERVICE}/test_removal.py test_the_names_are_cut_before_the_overlay_is_asked
        flow/test_road.py test_a_deleted_share_cuts_everybody_within_seconds
        flow/test_observed.py test_who_is_inside_of_what_ends_is_out_within_five_seconds""",
    "A20 files": f"""
        {PLUGINS}/test_mode_web.py test_nothing_outside_and_nothing_hidden_is_served
        {PLUGINS}/test_mode_web.py test_links_are_followed_inside_only""",
    "A21 lists": f"""
        {API}/test_abuse.py test_a21_no_parameter_shows_rows_of_others
        {API}/test_tenants.py test_lists_hold_nothing_of_somebody_elses""",
    "K01 killed at every call": f"""
        killed/test_every_call.py test_killed_at_every_call_both_sides_are_equal_again
        killed/test_every_call.py test_killed_at_every_call_on_postgres
        ziti/test_killed.py test_killed_after_every_change_both_sides_are_equal_again
        {SERVICE}/test_reconcile.py test_killed_at_any_step_everything_is_equal_again""",
    "K02 done and not answered": f"""
        {SERVICE}/test_reconcile.py test_failed_at_any_step_everything_is_equal_again
        {API}/test_once.py test_what_was_made_before_a_crash_is_told_to_who_asks_again_and_not_made_twice
        killed/test_every_call.py
            test_who_asks_again_with_the_same_key_gets_one_thing_however_the_controller_was_killed
        killed/test_every_call.py test_who_asks_again_with_the_same_key_gets_one_thing_on_postgres""",
    "K03 orphans": """
        killed/test_every_call.py test_five_hundred_orphans_and_as_many_lost_services_are_put_right
        killed/test_every_call.py test_the_command_prints_what_will_be_done
        ziti/test_admin.py test_two_instances_on_one_network_do_not_meet""",
    "K04 the network is away": f"""
        {API}/test_observed.py test_while_the_overlay_is_away_writes_say_so_and_when_to_come_back
        ziti/test_faults.py test_while_the_controller_is_away_streams_and_dials_go_on
        ziti/test_faults.py test_a_controller_that_starts_while_the_network_is_away_answers_and_comes_right""",
    "K05 the database is away": f"""
        postgres/test_away.py test_visitors_notice_nothing_and_the_api_says_so_in_time
        postgres/test_away.py test_a_name_made_after_the_outage_reaches_the_frontend
        postgres/test_two_controllers.py
            test_while_the_database_is_away_both_answer_503_and_both_are_back_with_it
        {PLUGINS}/test_storage_postgres.py test_a_server_that_stands_still_holds_nobody_for_two_seconds
        flow/test_locked.py test_while_it_is_locked_changes_are_refused_within_two_seconds_and_come_back""",
    "K06 full and broken disks": f"""
        unit/store/test_database.py test_a_full_disk_is_told_and_what_was_committed_stays
        unit/store/test_failures.py test_a_result_code_has_a_sentence
        flow/test_wrong_input.py test_a_full_disk_under_the_database_is_told_by_readyz_until_there_is_room
        {PLUGINS}/test_observer_access_log.py test_half_a_line_of_a_full_disk_does_not_spoil_the_next""",
    "K07 clocks that jump": f"""
        {SERVICE}/test_tokens.py test_a_clock_that_goes_back_lengthens_a_life_by_no_more_than_that
        {SERVICE}/test_reconcile.py test_a_clock_that_goes_back_takes_nothing_from_who_is_at_work
        unit/store/test_usage_periods.py
            test_a_sample_that_comes_after_its_period_was_summed_counts_as_of_later
        ziti/test_faults.py test_a_clock_that_is_a_little_ahead_does_no_harm""",
    "K08 two controllers": f"""
        postgres/test_two_controllers.py test_both_start_at_once_on_an_empty_database_both_serve_and_one_leads
        postgres/test_two_controllers.py test_when_one_is_killed_its_clients_need_one_retry_at_the_other
        {SERVICE}/test_reconcile.py test_two_reconcilers_at_once_do_no_harm
        {SERVICE}/test_outbox.py test_of_several_who_send_at_once_one_sends_a_letter
        ziti/test_two_controllers.py test_what_one_made_the_other_takes_away_and_makes_again""",
    "K09 upgrades": f"""
        killed/test_upgrades.py test_an_upgrade_killed_at_any_statement_finishes_when_run_again
        unit/store/test_migrate.py test_down_and_up_again
        {PLUGINS}/test_command_db.py test_a_backup_of_a_running_controller_is_of_one_moment
        {PLUGINS}/test_command_db.py test_an_older_backup_is_brought_up_to_date""",
    "K10 agents that end": f"""
        {API}/test_observed.py test_a_crashed_shares_name_is_given_back_to_the_same_account_and_environment_at_once
        flow/test_observed.py test_an_agent_has_its_reserved_share_again_after_a_restart
        flow/test_agent.py test_what_was_ordered_is_there_again_after_a_restart
        ziti/test_agent.py test_shares_are_ordered_over_the_network_come_back_after_a_kill_and_end""",
    "K11 names on their way": f"""
        flow/test_stale_routes.py test_a_route_is_never_stale_for_long
        {PROXY}/test_feed.py test_a_delta_that_does_not_fit_makes_it_ask_for_everything
        {PROXY}/test_feed.py test_names_loaded_from_disk_are_asked_on_from
        unit/store/test_mappings.py test_a_table_fed_with_deltas_equals_one_fed_with_a_snapshot""",
    "Q41 bodies over their limit": f"""
        {PROXY}/test_strict.py test_a_body_over_the_limit_by_its_length_is_413_before_it_is_read
        {PROXY}/test_strict.py test_a_body_over_the_limit_by_count_is_413_and_cut_short
        {PROXY}/test_strict.py test_a_body_of_just_the_limit_passes""",
    "Q53 another name than TLS was made for": f"""
        flow/test_edge.py test_a_connection_made_for_one_name_does_not_lead_to_another_share
        flow/test_edge.py test_behind_a_trusted_proxy_one_connection_may_lead_to_many_shares
        {PROXY}/test_rules.py test_and_to_no_other_share""",
    "Q55 our cookies": f"""
        {PLUGINS}/test_filter_interstitial.py test_a_share_is_not_told_who_was_warned
        {PLUGINS}/test_filter_interstitial.py test_inside_tls_no_cookie_counts_that_another_share_could_set
        {PLUGINS}/test_filter_interstitial.py test_over_https_the_cookie_is_of_this_host_alone
        {PROXY}/test_strict_property.py test_a_cookie_passes_as_it_is_or_not_at_all""",
    "R03 a silent target": f"""
        {PLUGINS}/test_role_frontend.py test_a_limit_of_answers_is_reached
        {HTTP}/test_forward.py test_an_upstream_that_keeps_silent_is_504
        {HTTP}/test_forward.py test_an_upstream_that_stops_within_its_answer_breaks_it""",
    "R08 what goes into heads and pages": f"""
        {PROXY}/test_strict_answers.py test_a_field_of_ours_never_becomes_two
        {HTTP}/test_pages.py test_title_and_message_are_escaped
        {PLUGINS}/test_filter_interstitial.py test_nothing_of_the_visitor_becomes_markup""",
    "R09 an answer before the end of an upload": f"""
        {PROXY}/test_strict_answers.py
            test_an_answer_before_the_end_of_the_upload_is_delivered_whole_and_closes
        {HTTP}/test_forward.py test_an_early_answer_is_read_whole_while_the_client_still_sends
        {HTTP}/test_forward.py test_a_client_that_still_sends_after_an_early_answer_is_not_reset
        {HTTP}/test_connection.py test_lingering_has_limits""",
    "R11 events": f"""
        {HTTP}/test_forward.py test_events_arrive_as_they_are_sent
        {PLUGINS}/test_role_frontend.py test_an_answer_that_pauses_too_long_is_cut
        flow/test_road.py test_events_arrive_one_by_one""",
    "R12 websockets": f"""
        flow/test_autobahn.py test_each_case_is_judged_as_the_server_itself
        flow/test_websocket_verdicts.py test_the_verdict_is_the_servers_own
        {PROXY}/test_pipeline.py test_a_websocket_passes_with_half_close_and_bytes_sent_along""",
    "R13 who takes nothing": f"""
        {HTTP}/test_forward.py test_a_client_that_takes_nothing_is_let_go_and_memory_stays_bounded
        {PLUGINS}/test_role_frontend.py test_a_visitor_who_takes_nothing_is_cut
        unit/net/tls/test_stream.py test_a_reader_who_stalls_stops_the_writer_which_holds_little""",
    "R14 heads and handshakes that drip": f"""
        {HTTP}/test_connection.py test_a_head_that_does_not_come_in_time_is_408_whatever_drips
        {PLUGINS}/test_role_frontend.py test_a_limit_of_requests_is_reached
        unit/net/tls/test_stream.py test_a_handshake_that_takes_too_long_is_a_timeout
        flow/test_crowds.py test_five_thousand_slow_heads_cost_no_visitor_a_request_and_are_ended""",
    "R15 bodies that drip": f"""
        {HTTP}/test_body.py test_a_body_that_drips_is_ended
        {HTTP}/test_body.py test_a_slow_but_steady_body_is_not
        {PLUGINS}/test_role_frontend.py test_a_body_that_trickles_is_refused_after_its_grace""",
    "R16 connections at rest": f"""
        {PLUGINS}/test_role_frontend.py test_a_connection_ends_between_two_requests
        {HTTP}/test_connection.py test_a_client_that_asks_nothing_is_let_go
        {HTTP}/test_connection.py test_a_connection_serves_so_many_requests""",
    "R17 targets that read slowly": """
        unit/net/test_stream.py test_a_slow_reader_stops_its_writer_and_memory_stays_bounded
        unit/net/test_relay.py test_a_slow_reader_holds_back_its_writer""",
    "R18 one share beside another": f"""
        {PLUGINS}/test_role_frontend.py
            test_a_share_has_so_many_requests_at_once_and_then_says_when_to_come_again
        {PROXY}/test_upstream.py test_a_share_gets_so_many_requests_at_once_and_others_are_free
        ziti/test_isolation.py test_visitors_that_stop_reading_hold_up_nobody""",
    "Z1 answers come whole": """
        flow/test_road.py test_a_thousand_posts_come_back_whole
        ziti/test_zrok_bugs.py test_no_answer_is_cut""",
    "Z2 what was disabled or deleted cuts visitors off": """
        flow/test_road.py test_disable_cuts_everybody_off_although_the_backend_runs_on
        flow/test_road.py test_a_deleted_share_cuts_everybody_within_seconds
        ziti/test_zrok_bugs.py test_disable_cuts_visitors_off_although_the_backend_runs_on""",
    "Z3 a grant that is taken back ends living accesses": """
        flow/test_observed.py test_an_access_that_ends_is_over_within_five_seconds
        ziti/test_zrok_bugs.py test_a_grant_that_is_taken_back_ends_a_living_access""",
    "Z4 Host in another form": """
        flow/test_road.py test_a_host_in_another_form_is_the_same_host
        ziti/test_zrok_bugs.py test_a_host_in_capitals_or_with_its_final_dot_is_found""",
    "Z5 nobody says who passed a gate": """
        flow/test_road.py test_nobody_forges_who_passed_a_gate
        ziti/test_zrok_bugs.py test_no_visitor_can_say_who_passed_a_gate""",
    "Z6 half-close": """
        flow/test_road.py test_a_half_close_through_a_private_share_keeps_the_answer
        ziti/test_zrok_bugs.py test_a_half_close_through_a_tcp_share_keeps_the_answer""",
    "Z7 reserved names are served": """
        flow/test_three_daemons.py test_a_visitor_reaches_the_share_under_its_reserved_name
        ziti/test_zrok_bugs.py test_a_reserved_name_is_served""",
}

# The tests that reach each limit of a frontend: a test, and the keys it reaches.
LIMITS = {
    f"{PLUGINS}/test_role_frontend.py": {
        "test_a_limit_of_requests_is_reached": """
            request_line head_size head_fields head_time head_time_crowded body_size body_idle
            chunk_extension chunk_extensions trailers""",
        "test_a_body_that_trickles_is_refused_after_its_grace": "body_rate body_grace",
        "test_a_limit_of_answers_is_reached": "response_head response_fields interim_answers first_byte",
        "test_an_answer_that_pauses_too_long_is_cut": "response_idle stream_idle",
        "test_a_connection_ends_between_two_requests": "keep_alive keep_alive_requests",
        "test_requests_sent_ahead_are_answered_so_many_in_a_row": "pipelined",
        "test_what_comes_after_a_refusal_is_read_for_a_while_only": "linger_size linger_time",
        "test_a_visitor_who_takes_nothing_is_cut": "write_stall",
        "test_no_more_connections_are_taken_than_may_be": "max_connections",
        "test_a_share_has_so_many_requests_at_once_and_then_says_when_to_come_again": "share_requests",
        "test_a_share_has_so_long_to_take_a_stream": "dial_timeout",
        "test_one_that_fails_is_left_out_for_a_while": "terminator_failures terminator_rest",
        "test_unused_overlay_streams_are_kept_within_limits": "pool_idle pool_each pool_total",
    },
    "flow/test_edge.py": {"test_each_visitor_of_a_balancer_has_limits_of_its_own": "per_address"},
    "flow/test_three_daemons.py": {"test_sigterm_waits_for_an_open_websocket_as_long_as_drain_allows": "drain"},
    "unit/net/tls/test_server.py": {"test_who_says_nothing_is_cut_off_in_time": "tls.handshake_time"},
}


# The same of what a share keeps to: a test, and the keys that it reaches, of a mode's settings.
SHARE_LIMITS = {
    (f"{PLUGINS}/test_mode_proxy.py", ProxySettings): {
        "test_a_target_that_takes_no_connection_is_given_up_in_time": "connect_timeout",
        "test_a_target_that_says_nothing_is_504": "answer_timeout",
        "test_a_share_has_limits_of_its_own_for_bodies_and_pauses": "answer_idle body_size",
        "test_idle_connections_grow_old": "idle",
        "test_the_pool_keeps_no_more_than_it_may": "idle_connections",
    },
    (f"{PLUGINS}/test_mode_tcp.py", TcpSettings): {
        "test_a_target_that_takes_no_connection_is_given_up_in_time": "connect_timeout",
        "test_a_connection_on_which_nothing_moves_ends": "idle",
    },
}
_COUNTED = {int, float, SizeBytes, SizeBytes | None}


@functools.cache
def named(file):
    return {node.name for node in ast.walk(ast.parse((TESTS / file).read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS)
def test_what_is_promised_has_its_tests(row):
    words = ROWS[row].split()
    pairs = list(zip(words[::2], words[1::2], strict=True))
    assert pairs
    assert [(file, name) for file, name in pairs if name not in named(file)] == []


# Why a row of HTTP is no table of bytes, each of them cut at every one.
NO_BYTES = {
    "Q41": "a limit: its tests cut each of its requests at every byte",
    "R08": "what is told comes of ourselves, and not in pieces",
    "R13": "of who takes nothing: of time and of memory",
    "R16": "between requests, where there is no byte",
    "R17": "of pace and of memory",
    "R18": "of many connections",
}


def test_no_row_is_missing():
    """Those of HTTP are several cases of a table whose tests cut them at every byte, and send them behind others."""
    tables = [HEADS, BODIES, GOOD, OURS, TAKEN, ELSEWHERE, COOKIES, GIVEN, STOPPED, SILENT, EARLY]
    cases = Counter(row[0] for row in itertools.chain(*tables))
    cut = {name for name, count in cases.items() if count > 1 and name[0] in "QR"}
    assert cut ^ NO_BYTES.keys() == numbered(Q=55, R=18)
    assert {row.split()[0] for row in ROWS} >= numbered(A=21, K=11) | NO_BYTES.keys()


def numbered(**last: int) -> set[str]:
    return {f"{kind}{number:02}" for kind, end in last.items() for number in range(1, end + 1)}


def test_every_limit_has_a_test_that_reaches_it():
    reached = [key for tests in LIMITS.values() for keys in tests.values() for key in keys.split()]
    assert sorted(reached) == sorted(told_limits())
    assert {file: tests.keys() - named(file) for file, tests in LIMITS.items() if tests.keys() - named(file)} == {}


@pytest.mark.parametrize(("file", "settings"), SHARE_LIMITS)
def test_every_limit_of_a_share_has_a_test_that_reaches_it(file, settings):
    tests = SHARE_LIMITS[file, settings]
    limits = {name for name, field in settings.model_fields.items() if field.annotation in _COUNTED}
    assert sorted(limits) == sorted(key for keys in tests.values() for key in keys.split())
    assert tests.keys() <= named(file)
