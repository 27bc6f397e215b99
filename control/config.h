/* control/config.h -- the instance's configuration: a YAML file, a table of fields and one of a listener's.
 *
 * The two tables below are the only places that name a field.  They make the struct, the YAML schema, the validation
 * and the manual that `millraced --config-help` prints.  A key that is not in them is an error, as is a value outside
 * its bounds. */
#ifndef CONTROL_CONFIG_H
#define CONTROL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum {
    CONFIG_TEXT_BYTES = 1024,
    CONFIG_CORES_MAX = 64,
    CONFIG_FILE_BYTES_MAX = 1 << 20,
    CONFIG_LISTENERS_MAX = 8,
    CONFIG_LISTENER_NAME_MAX = 32,
    CONFIG_HOST_MAX = 253, /* of a DNS name */
    CONFIG_LEASES_PER_LOG = 4, /* chunks a capture holds beside the one it fills */
};

#define CONFIG_KIB(n)  ((int64_t)(n) << 10)
#define CONFIG_MIB(n)  ((int64_t)(n) << 20)
#define CONFIG_GIB(n)  ((int64_t)(n) << 30)
#define CONFIG_HOUR_MS ((int64_t)3600 * 1000)

/* TEXT  (name, default, words allowed or NULL,  why it exists); a NULL default makes the field required
 * NUMBER(name, min, max, default,              why it exists)
 * FLAG  (name, default,                        why it exists)
 * CORES (name,                                 why it exists); a list of core numbers, empty: not pinned */
/* clang-format off */
#define CONFIG_FIELDS(TEXT, NUMBER, FLAG, CORES)                                                                       \
    TEXT(data_folder, NULL, NULL,                                                                                      \
         "where channels, their logs and the groups' offsets live; a local file system with room for the retention")   \
    TEXT(rest_address, "127.0.0.1", NULL,                                                                              \
         "where the REST API listens; one that other machines reach needs tokens and TLS")                             \
    NUMBER(rest_port, 0, 65535, 8083, "where the REST API listens; 0: any free port, named in the log")                \
    TEXT(rest_tls_certificate, "", NULL,                                                                               \
         "PEM file of the REST API's certificate and the chain behind it: it then speaks HTTPS only; empty: HTTP")     \
    TEXT(rest_tls_key, "", NULL, "PEM file of its key, without a password; SIGHUP reads both files again")             \
    TEXT(rest_admin_token_file, "", NULL,                                                                              \
         "a file whose first line is an admin's token of the REST API, beside those made with millrace token; "        \
         "$MILLRACE_ADMIN_TOKEN does the same")                                                                        \
    TEXT(log_level, "info", "debug info warn error", "lines below this level are not written")                         \
    TEXT(log_levels, "", NULL, "levels of single rooms, e.g. capture=debug,kafka=warn")                                \
    TEXT(log_format, "text", "text json", "how log lines are written; json: an object a line")                         \
    NUMBER(channels_max, 1, 255, 4, "channels that may exist at once; the log of each is open, and served")            \
    NUMBER(captures_max, 0, 255, 0,                                                                                    \
           "channels that may be started at once: these take the most memory; 0: as many as may exist")                \
    NUMBER(memory_max_bytes, CONFIG_MIB(64), CONFIG_GIB(4096), CONFIG_GIB(4),                                          \
           "the sum of all pools may not be larger; the start is refused with the table of pools")                     \
    NUMBER(chunk_bytes, CONFIG_KIB(64), CONFIG_MIB(64), CONFIG_MIB(1),                                                 \
           "size of a chunk, the unit in which memory goes to captures and to the hot tail; a multiple of 4096")       \
    NUMBER(chunk_count, 16, 1 << 20, 192, "chunks in the pool that all channels share")                                \
    NUMBER(retired_bytes_max, CONFIG_MIB(1), CONFIG_GIB(1024), CONFIG_MIB(128),                                        \
           "chunks that slow connections alone may keep, at most half of all; above it the oldest such one is closed") \
    NUMBER(tail_chunks_per_log, 1, 1 << 20, 32, "chunks of a channel's newest data kept in memory, at most")           \
    NUMBER(segment_bytes, CONFIG_MIB(1), CONFIG_GIB(1), CONFIG_MIB(64),                                                \
           "a log's segment file is closed at the first transaction end above this")                                   \
    NUMBER(retention_ms, 0, CONFIG_HOUR_MS * 24 * 3650, CONFIG_HOUR_MS * 24,                                           \
           "records older than this are dropped, a segment at a time; 0: keep")                                        \
    NUMBER(retention_bytes, 0, INT64_MAX, 0, "the oldest segments of a log larger than this are dropped; 0: no limit") \
    NUMBER(flush_interval_us, 0, 1000000, 500, "the most a finished batch waits for the flush it shares; 0: none; "    \
           "10 ms at least where nobody waits for that (a channel's visible: written)")                                \
    NUMBER(uring_depth, 8, 4096, 128, "disk transfers in flight; bounds memory and the device's queue")                \
    NUMBER(reader_cache_bytes, CONFIG_MIB(1), CONFIG_GIB(1), CONFIG_MIB(16),                                           \
           "buffer of each serving thread for records that have left the hot tail")                                    \
    NUMBER(cold_read_inflight_bytes_max, CONFIG_KIB(512), CONFIG_GIB(1), CONFIG_MIB(4),                                \
           "reads of the past under way at once, all serving threads together: what a write may have to wait behind")  \
    NUMBER(batch_bytes_target, CONFIG_KIB(4), CONFIG_MIB(16), CONFIG_KIB(256),                                         \
           "under load a batch is finished at the first transaction end above this")                                   \
    NUMBER(record_bytes_max, CONFIG_KIB(64), 100000000, CONFIG_MIB(64),                                                \
           "a larger row stops its channel with an error; Kafka clients stop at 100 MB")                               \
    NUMBER(packet_bytes_max, CONFIG_MIB(1), CONFIG_GIB(1), CONFIG_MIB(128),                                            \
           "the largest binlog event accepted from a source; the connection's buffer may grow to it") \
    NUMBER(serve_thread_count, 1, CONFIG_CORES_MAX, 1, "threads that serve Kafka clients")                             \
    CORES(serve_cores, "cores to pin the serving threads to, one each; empty: not pinned")                             \
    NUMBER(storage_core, -1, 1023, -1, "core to pin the storage thread to; -1: not pinned")                            \
    NUMBER(connections_max, 1, 65536, 256, "Kafka connections of each serving thread")                                 \
    NUMBER(request_bytes_max, CONFIG_KIB(64), CONFIG_MIB(100), CONFIG_MIB(1), "a larger request closes its connection")\
    NUMBER(fetch_bytes_max, CONFIG_KIB(64), CONFIG_MIB(100), CONFIG_MIB(8),                                            \
           "the most one Fetch answer carries (the first batch always fits)")                                          \
    NUMBER(send_pinned_bytes_max, CONFIG_KIB(64), CONFIG_GIB(16), CONFIG_MIB(8),                                       \
           "chunks that one connection may hold by unacknowledged sends")                                              \
    NUMBER(groups_max, 1, 100000, 1000, "consumer groups that may exist at once")                                      \
    NUMBER(account_connections_max, 0, 1 << 24, 0,                                                                     \
           "connections of one account, or of one client certificate's subject; 0: no limit")                          \
    NUMBER(account_bytes_per_s_max, 0, CONFIG_GIB(1024), 0,                                                            \
           "records one account reads; above it its fetches wait.  All without a login or certificate count as one")   \
    NUMBER(account_inflight_bytes_max, 0, CONFIG_GIB(1024), 0,                                                         \
           "of one account's answers being sent and requests being read, all its connections and all serving threads " \
           "together; above it its further requests wait; 0: no limit")                                                \
    NUMBER(session_lifetime_ms, 0, CONFIG_HOUR_MS * 24 * 3650, 0,                                                      \
           "clients that logged in must do so again (most do by themselves) after this, or are put out; "              \
           "0: never, else at least 10000")                                                                            \
    NUMBER(groups_per_channel_max, 1, 1000, 20, "consumer groups with an account that a channel may have")             \
    NUMBER(group_initial_rebalance_delay_ms, 0, 60000, 500,                                                            \
           "an empty group waits this long for more members before it deals out its partition")                        \
    NUMBER(group_consumer_session_timeout_ms, 6000, 1800000, 45000,                                                    \
           "a consumer of the new group protocol that is silent for this long loses its partition")                    \
    NUMBER(offsets_retention_ms, CONFIG_HOUR_MS, CONFIG_HOUR_MS * 24 * 3650, CONFIG_HOUR_MS * 24 * 7,                  \
           "a group without members forgets its checkpoints after this")                                               \
    TEXT(alert_programs_folder, "", NULL,                                                                              \
         "programs that alerts may run, by their names in this folder; empty: alerts run none")                        \
    TEXT(dpdk_device, "", NULL,                                                                                        \
         "the network device of listeners with network: dpdk: a PCI address, 0000:3b:00.0, or a virtual device with "  \
         "its arguments, net_af_packet0,iface=veth0")                                                                  \
    TEXT(dpdk_address, "", NULL, "its IPv4 address with the prefix, 192.0.2.1/24; the kernel must not have it too")    \
    TEXT(dpdk_gateway, "", NULL, "the IPv4 gateway to other networks; empty: none")                                    \
    TEXT(dpdk_address6, "", NULL, "its IPv6 address, of a network of 64 bits; empty: none")                            \
    TEXT(dpdk_gateway6, "", NULL, "the IPv6 gateway to other networks; empty: none")                                   \
    NUMBER(dpdk_mtu, 1280, 9000, 1500, "the network's MTU; all of it must carry a larger one than 1500")               \
    NUMBER(dpdk_vlan, 0, 4094, 0, "the VLAN of its frames; 0: untagged")                                               \
    FLAG(dpdk_huge_pages, true, "huge pages for packets; false: ordinary memory, slower, for trying")                  \
    FLAG(spin, false, "serving threads poll without sleeping: lowest latency, a whole core each")

/* The same for each entry of `listeners`; an empty text stands for "not set". */
#define CONFIG_LISTENER_FIELDS(TEXT, NUMBER, FLAG)                                                                     \
    TEXT(name, NULL, NULL, "how messages and counters call it, e.g. internal; letters, digits, - and _")               \
    TEXT(network, "kernel", "kernel dpdk",                                                                             \
         "dpdk: past the kernel, at dpdk_device; address is then dpdk_address without its prefix, or dpdk_address6")   \
    TEXT(address, "127.0.0.1", NULL, "the IPv4 or IPv6 address to listen on; 0.0.0.0 or ::, all of this machine")      \
    NUMBER(port, 0, 65535, 9092, "where Kafka clients connect; 0: any free port, see GET /v1/status")                  \
    TEXT(advertised_host, "", NULL,                                                                                    \
         "the name or address that clients of this listener are told to connect to; empty: the address")               \
    NUMBER(advertised_port, 0, 65535, 0, "the port that they are told; 0: the one listened on")                        \
    TEXT(tls_certificate, "", NULL,                                                                                    \
         "PEM file of the server's certificate and the chain behind it: clients must use TLS; empty: plain text")      \
    TEXT(tls_key, "", NULL, "PEM file of its key, without a password; SIGHUP reads both files again")                  \
    TEXT(tls_client_ca, "", NULL, "PEM file of the authorities that sign clients' certificates")                       \
    TEXT(client_certificates, "none", "none optional required",                                                        \
         "whether clients are asked for a certificate, or must have one; without a login it opens all channels")       \
    TEXT(authentication, "none", "none required", "required: whoever connects must log in by SASL")                    \
    FLAG(accept_anyone, false,                                                                                         \
         "serve whoever reaches an address that is not a loopback one, without a login and a client certificate")      \
    NUMBER(login_timeout_ms, 0, 600000, 30000,                                                                         \
           "a connection that has not finished its TLS handshake and its login by then is closed; 0: no limit")        \
    NUMBER(idle_timeout_ms, 0, CONFIG_HOUR_MS * 24, 600000,                                                            \
           "a connection without a request for longer is closed; clients expect ten minutes or more; 0: no limit")     \
    NUMBER(request_timeout_ms, 0, 600000, 60000,                                                                       \
           "a connection whose request has not come whole by then is closed; 0: no limit")                             \
    NUMBER(connections_max, 0, 1 << 24, 0,                                                                             \
           "connections by this listener, all serving threads together; 0: as many as those have room for")            \
    NUMBER(request_bytes_max, 0, CONFIG_MIB(100), 0,                                                                   \
           "a larger request closes its connection; 0: the instance's request_bytes_max")                              \
    NUMBER(inflight_bytes_max, CONFIG_KIB(64), CONFIG_GIB(16), CONFIG_MIB(16),                                         \
           "requests that are not whole yet, of all its connections; above it the one that holds most is closed")
/* clang-format on */

struct config_cores {
    int32_t core[CONFIG_CORES_MAX];
    uint32_t count;
};

#define CONFIG_MEMBER_TEXT(name, ...)   char name[CONFIG_TEXT_BYTES];
#define CONFIG_MEMBER_NUMBER(name, ...) int64_t name;
#define CONFIG_MEMBER_FLAG(name, ...)   bool name;
#define CONFIG_MEMBER_CORES(name, ...)  struct config_cores name;
struct config_listener {
    CONFIG_LISTENER_FIELDS(CONFIG_MEMBER_TEXT, CONFIG_MEMBER_NUMBER, CONFIG_MEMBER_FLAG)
};
struct config {
    CONFIG_FIELDS(CONFIG_MEMBER_TEXT, CONFIG_MEMBER_NUMBER, CONFIG_MEMBER_FLAG, CONFIG_MEMBER_CORES)
    struct config_listener listeners[CONFIG_LISTENERS_MAX];
    uint32_t listener_count; /* at least one */
};
#undef CONFIG_MEMBER_TEXT
#undef CONFIG_MEMBER_NUMBER
#undef CONFIG_MEMBER_FLAG
#undef CONFIG_MEMBER_CORES

/* Reads and checks the file.  ERR_NOT_FOUND, ERR_IO: it cannot be read; ERR_INVALID: msg names the key or the line, and
 * the bounds. */
NODISCARD enum err config_load(const char *path, struct config *out, struct err_msg *msg);
/* The same from memory; `name` stands for the file in messages. */
NODISCARD enum err config_parse(const char *name, const char *text, size_t text_bytes, struct config *out,
                                struct err_msg *msg);

/* Prints the table as a manual. */
void config_print_manual(FILE *to);

#endif
