"""Whole files whose objects stand and fall together, or of whose type there can be only one."""

from __future__ import annotations

_AOR = "[fine]\ntype=aor\nmax_contacts=1\n"
_M71, _M72, _M73 = "max_forwards=71\n", "max_forwards=72\n", "max_forwards=73\n"

FILES = {
    "nothing": "",
    "one aor": _AOR,
    "duplicate": _AOR + "[x]\ntype=aor\n[x]\ntype=aor\nmax_contacts=2\n[e]\ntype=endpoint\n",
    "duplicate of two types": _AOR
    + "[x]\ntype=aor\n[x]\ntype=endpoint\n[x]\ntype=auth\nusername=u\npassword=p\n",
    "duplicate in another case": "[x]\ntype=aor\n[X]\ntype=aor\n",
    "duplicate endpoint": _AOR + "[x]\ntype=endpoint\n[x]\ntype=endpoint\n",
    "duplicate transport": _AOR
    + "[x]\ntype=transport\nbind=127.0.0.1:7001\n[x]\ntype=transport\nbind=127.0.0.1:7002\n",
    "duplicate of a rejected one": "[x]\ntype=aor\nnothing=1\n[x]\ntype=aor\nmax_contacts=3\n",
    "duplicate that is rejected": "[x]\ntype=aor\nmax_contacts=3\n[x]\ntype=aor\nnothing=1\n",
    "fatal": _AOR + "[b\n",
    "fatal before": "x=1\n" + _AOR,
    "fatal base": _AOR + "[b](none)\ntype=aor\n",
    "fatal include": _AOR + "#include none.conf\n",
    "unfinished comment": _AOR + ";--\n[b]\ntype=aor\n",
    "types in other case": "[x]\ntype=Aor\n[y]\ntype=AOR\n[z]\nTYPE=aor\n" + _AOR,
    "type unknown or missing": "[x]\ntype=phone\n[y]\nmax_contacts=1\n[z]\ntype=\n" + _AOR,
    "type inherited": "[t](!)\ntype=aor\n[x](t)\ntype=endpoint\n[y](t)\n[z](t)\naors=y\n",
    "rejected beside accepted": "[x]\ntype=aor\nnothing=1\n" + _AOR + "[y]\ntype=aor\nmax_contacts=x\n",
    "global": "[global]\ntype=global\n" + _M71,
    "global of another name": "[g]\ntype=global\n" + _M71,
    "global without type": "[global]\n" + _M71,
    "global without type in capitals": "[Global]\n" + _M71,
    "global without type, other case of an option": "[global]\nMax_Forwards=71\n",
    "global without type, an unknown option": "[global]\n" + _M71 + "nothing=1\n",
    "global without type, an @ option": "[global]\n" + _M71 + "@tcp_keepalive_enable=yes\n",
    "global without type, a bad value": "[global]\nmax_forwards=x\n",
    "global twice": "[global]\ntype=global\n" + _M71 + "[h]\ntype=global\n" + _M72,
    "global twice, turned round": "[h]\ntype=global\n" + _M72 + "[global]\n" + _M71,
    "global twice, one bad": "[h]\ntype=global\n" + _M72 + "[global]\ntype=global\nnothing=1\n" + _M71,
    "global thrice": "[g]\ntype=global\n" + _M71 + "[h]\ntype=global\n" + _M72 + "[i]\ntype=global\n" + _M73,
    "global twice by one name": "[global]\ntype=global\n" + _M71 + "[global]\ntype=global\n" + _M72,
    "global bad": "[global]\ntype=global\nkeep_alive_interval=x\n" + _M71,
    "global unknown option": "[global]\ntype=global\nnothing=1\nkeep_alive_interval=7\n",
    "global is an endpoint": "[global]\ntype=endpoint\ncontext=x\n",
    "global with an empty user": "[global]\ntype=global\ndefault_from_user=\n" + _M71,
    "global with an empty debug": "[global]\ntype=global\ndebug=\n" + _M71,
    "global numbers": "[global]\ntype=global\nkeep_alive_interval=0x10\nmax_initial_qualify_time=010\n"
    "contact_expiration_check_interval=+5\nunidentified_request_count=0\nmwi_tps_queue_high=-1\n",
    "global words": "[global]\ntype=global\nuser_agent=\ndefault_realm=r\nregcontext=c\ndebug=yes\n"
    "endpoint_identifier_order=username, ip,,anonymous\ndefault_voicemail_extension=1\n",
    "global booleans": "[global]\ntype=global\ndisable_multi_domain=maybe\nnorefersub=no\n"
    "use_callerid_contact=on\n"
    "ignore_uri_user_options=TRUE\nallow_sending_180_after_183=2\nall_codecs_on_empty_reinvite=y\n",
    "global trigger": "[global]\ntype=global\ntaskprocessor_overload_trigger=pjsip_only\n" + _M71,
    "global bad trigger": "[global]\ntype=global\ntaskprocessor_overload_trigger=x\n" + _M71,
    "global algorithms": "[global]\ntype=global\ndefault_auth_algorithms_uas=SHA-256\n" + _M71,
    "global bad algorithms": "[global]\ntype=global\ndefault_auth_algorithms_uac=x\n" + _M71,
    "global keep-alive negative": "[global]\ntype=global\nkeep_alive_interval=-1\n" + _M71,
    "global keep-alive off": "[global]\ntype=global\nkeep_alive_interval=0\n",
    "system": "[system]\ntype=system\ntimer_t1=200\ntimer_b=20000\n",
    "system without type": "[system]\ntimer_t1=200\ncompact_headers=yes\n",
    "system of another name": "[s]\ntype=system\ntimer_t1=200\n",
    "system timers too low": "[system]\ntimer_t1=50\ntimer_b=10\n",
    "system timer b by t1": "[system]\ntimer_t1=1000\n",
    "system twice": "[system]\ntimer_t1=200\n[s]\ntype=system\ntimer_t1=300\n",
    "system thrice": "[system]\ntimer_t1=200\n[s]\ntype=system\ntimer_t1=300\n"
    "[u]\ntype=system\ntimer_t1=400\n",
    "system bad": "[system]\ntype=system\ntimer_t1=x\ntimer_b=40000\n",
    "system booleans": "[system]\ndisable_tcp_switch=no\nfollow_early_media_fork=0\ndisable_rport=t\n"
    "accept_multiple_sdp_answers=Y\n",
    "system pool": "[system]\ntaskpool_minimum_size=5\ntaskpool_initial_size=6\ntaskpool_auto_increment=2\n"
    "taskpool_idle_timeout=61\ntaskpool_max_size=51\n",
    "system pool, old names": "[system]\nthreadpool_initial_size=6\nthreadpool_auto_increment=2\n"
    "threadpool_idle_timeout=61\nthreadpool_max_size=51\n",
    "registration without a transport": "[t]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1:7003\n"
    "[r]\ntype=registration\nserver_uri=sip:127.0.0.1\nclient_uri=sip:a@127.0.0.1\n"
    "[s]\ntype=registration\nserver_uri=sip:127.0.0.1\nclient_uri=sip:a@127.0.0.1\ntransport=t\n"
    "[u]\ntype=registration\nserver_uri=sip:127.0.0.1\\;transport=tcp\nclient_uri=sip:a@127.0.0.1\n"
    "[v]\ntype=registration\nserver_uri=sips:127.0.0.1\nclient_uri=sip:a@127.0.0.1\n",
}
