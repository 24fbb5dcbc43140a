"""The options of an endpoint that pjka has no use for: legal, and not interpreted."""

from __future__ import annotations

from typing import Final

# res/res_pjsip/pjsip_configuration.c of Asterisk 22.10
_NAMES: Final = """
    100rel accept_multiple_sdp_answers accountcode acl aggregate_mwi allow allow_overlap allow_subscribe
    allow_transfer asymmetric_rtp_codec bind_rtp_to_media_address bundle call_group callerid
    callerid_privacy callerid_tag codec_prefs_incoming_answer codec_prefs_incoming_offer
    codec_prefs_outgoing_answer codec_prefs_outgoing_offer connected_line_method contact_acl contact_deny
    contact_permit cos_audio cos_video deny device_state_busy_at direct_media direct_media_glare_mitigation
    direct_media_method disable_direct_media_on_nat disallow dtls_auto_generate_cert dtls_ca_file
    dtls_ca_path dtls_cert_file dtls_cipher dtls_fingerprint dtls_private_key dtls_rekey dtls_setup
    dtls_verify dtmf_mode fax_detect fax_detect_timeout follow_early_media_fork follow_redirect_methods
    force_avp g726_non_standard geoloc_incoming_call_profile geoloc_outgoing_call_profile ice_support
    identify_by ignore_183_without_sdp inband_progress incoming_call_offer_pref incoming_mwi_mailbox
    language mailboxes max_audio_streams max_video_streams media_address media_encryption
    media_encryption_optimistic media_use_received_transport message_context moh_passthrough moh_suggest
    mwi_from_user mwi_subscribe_replaces_unsolicited named_call_group named_pickup_group
    notify_early_inuse_ringing one_touch_recording outgoing_call_offer_pref overlap_context permit
    pickup_group preferred_codec_only record_off_feature record_on_feature redirect_method
    refer_blind_progress rpid_immediate rtcp_mux rtp_engine rtp_ipv6 rtp_keepalive rtp_port_end
    rtp_port_start rtp_symmetric rtp_timeout rtp_timeout_hold sdp_owner sdp_session security_mechanisms
    security_negotiation send_aoc send_connected_line send_diversion send_history_info send_pai send_rpid
    set_var srtp_tag_32 stir_shaken stir_shaken_profile sub_min_expiry subscribe_context
    suppress_moh_on_sendonly suppress_q850_reason_headers t38_bind_udptl_to_media_address t38_udptl
    t38_udptl_ec t38_udptl_ipv6 t38_udptl_maxdatagram t38_udptl_nat tenantid timers timers_min_se
    timers_sess_expires tone_zone tos_audio tos_video trust_connected_line trust_id_inbound
    trust_id_outbound use_avpf use_ptime user_eq_phone voicemail_extension webrtc
"""

UNINTERPRETED: Final = frozenset(_NAMES.split())
