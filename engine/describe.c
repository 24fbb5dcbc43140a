/* Prints, as JSON, what only the compiler knows of this build of pjproject: its limits and where the members of its
 * structures lie. The names under "layout" are those of pjka/pjproject/layouts.py. Needs the headers, no library.
 */
#include <pjlib.h>
#include <pjsip.h>
#include <pjsua-lib/pjsua.h>
#include <stddef.h>
#include <stdio.h>

#define OFFSET(name, type, member) printf("%s\n    \"%s\": %zu", separator, name, offsetof(type, member)), separator = ","
#define LIMIT(name, value) printf("%s\n    \"%s\": %ld", separator, name, (long)(value)), separator = ","

int main(void)
{
    const char *separator = "";

    printf("{\n  \"limits\": {");
    LIMIT("handles", PJ_IOQUEUE_MAX_HANDLES);
    LIMIT("transports", PJSIP_MAX_TRANSPORTS);
    LIMIT("accounts", PJSUA_MAX_ACC);
    LIMIT("calls", PJSUA_MAX_CALLS);
    LIMIT("socket_options", PJ_MAX_SOCKOPT_PARAMS);
    LIMIT("packet", PJSIP_MAX_PKT_LEN);

    separator = "";
    printf("\n  },\n  \"layout\": {");
    OFFSET("ref_cnt", pjsip_transport, ref_cnt);
    OFFSET("is_shutdown", pjsip_transport, is_shutdown);
    OFFSET("is_destroying", pjsip_transport, is_destroying);
    OFFSET("type", pjsip_transport, key.type);
    OFFSET("rem_addr", pjsip_transport, key.rem_addr);
    OFFSET("type_name", pjsip_transport, type_name);
    OFFSET("flag", pjsip_transport, flag);
    OFFSET("addr_len", pjsip_transport, addr_len);
    OFFSET("local_addr", pjsip_transport, local_addr);
    OFFSET("direction", pjsip_transport, dir);
    OFFSET("manager", pjsip_transport, tpmgr);
    OFFSET("factory", pjsip_transport, factory);
    OFFSET("factory_type", pjsip_tpfactory, type);
    OFFSET("factory_local_addr", pjsip_tpfactory, local_addr);
    OFFSET("factory_port", pjsip_tpfactory, addr_name.port);
    OFFSET("factory_destroy", pjsip_tpfactory, destroy);
    OFFSET("config_t1", pjsip_cfg_t, tsx.t1);
    OFFSET("config_t2", pjsip_cfg_t, tsx.t2);
    OFFSET("config_t4", pjsip_cfg_t, tsx.t4);
    OFFSET("config_td", pjsip_cfg_t, tsx.td);
    OFFSET("config_tcp_keep_alive", pjsip_cfg_t, tcp.keep_alive_interval);
    OFFSET("config_tls_keep_alive", pjsip_cfg_t, tls.keep_alive_interval);
    printf("\n  }\n}\n");
    return 0;
}
