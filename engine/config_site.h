/* pjproject as pjka's production engine: a SIP server's limits, no media.
 *
 * pjka/pjproject/engine.py shows these limits, and every one is read back from the headers by describe.c.
 */

/* Assertions off: with them on, what a peer or a full table does ends the process instead of failing. */
#define NDEBUG 1

/* Sockets in total. The I/O queue is epoll (--enable-epoll), which has no limit of its own. */
#define PJ_IOQUEUE_MAX_HANDLES 16384
#define PJ_HAS_IPV6 1

/* SO_KEEPALIVE, its three times, TCP_USER_TIMEOUT and TCP_NODELAY on every socket of a transport. */
#define PJ_MAX_SOCKOPT_PARAMS 6

/* The largest SIP message, as in Asterisk. */
#define PJSIP_MAX_PKT_LEN 65535

/* Room for everybody to connect again at once; the kernel caps it at net.core.somaxconn. */
#define PJSIP_TCP_TRANSPORT_BACKLOG 1024
#define PJSIP_TLS_TRANSPORT_BACKLOG 1024

/* pjproject's own CRLF timer competes with the kernel's keep-alive. */
#define PJSIP_TCP_KEEP_ALIVE_INTERVAL 0
#define PJSIP_TLS_KEEP_ALIVE_INTERVAL 0

/* Registrations. */
#define PJSUA_MAX_ACC 1024

/* No media. */
#define PJMEDIA_HAS_SRTP 0
