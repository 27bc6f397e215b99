/* control/channel_spec.h -- what a channel is told to do: its source, tables and start, as JSON and as a struct.
 *
 * The same JSON is the body of POST /v1/channels, the answer of GET (without the password) and, with the password, the
 * identity and the life so far, the file DATA/channels/NAME.json. */
#ifndef CONTROL_CHANNEL_SPEC_H
#define CONTROL_CHANNEL_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/capture.h"

enum {
    CHANNEL_NAME_MAX = 100,
    CHANNEL_HOST_MAX = 255,
    CHANNEL_USER_MAX = 128,
    CHANNEL_PASSWORD_MAX = 256,
    CHANNEL_PATTERNS_MAX = 256, /* include and exclude, each */
    CHANNEL_PATTERN_MAX = 515,  /* two identifiers of 64 four-byte characters, and the dot */
    CHANNEL_FORMAT_MAX = 32,
    CHANNEL_PATH_MAX = 1023,
    CHANNEL_STANDBY_MAX = 15,
    CHANNEL_GTID_SET_MAX = 128 << 10,
};

struct channel_spec {
    char name[CHANNEL_NAME_MAX + 1]; /* also the topic's */
    char files[CHANNEL_PATH_MAX + 1]; /* a folder of binlog files is the source; "": a server, at: */
    char host[CHANNEL_HOST_MAX + 1]; /* or the path of a unix socket */
    uint16_t port;
    char user[CHANNEL_USER_MAX + 1];
    char password[CHANNEL_PASSWORD_MAX + 1];
    uint32_t server_id;        /* ours, as a replica of the source */
    struct source_host *standby; /* owned, as their names are */
    uint32_t standby_count;
    enum source_tls_mode tls_mode;
    char tls_ca[CHANNEL_PATH_MAX + 1], tls_certificate[CHANNEL_PATH_MAX + 1], tls_key[CHANNEL_PATH_MAX + 1];
    uint32_t connect_timeout_s, read_timeout_s;
    char **include, **exclude; /* owned, NULL-terminated; exclude may be empty, never NULL */
    bool ddl_instance;
    bool shows_written; /* "visible": consumers see what is not durable yet, as far as the source can send it again */
    bool statements_warn; /* see struct capture_config */
    bool partial_images_none; /* as in struct capture_config, as the next */
    bool text_utf8mb4;
    enum compression compression;
    char schema_file[CHANNEL_PATH_MAX + 1]; /* CREATE statements for a start in the past; "": none */
    enum capture_start start;
    char *start_gtid_set; /* owned; NULL: none */
    char start_file[CHANNEL_HOST_MAX + 1];
    uint64_t start_position;
    uint32_t start_time_s;
    char format[CHANNEL_FORMAT_MAX + 1];
};

/* What belongs to the channel beside the definition, and is kept with it. */
struct channel_life {
    uint8_t topic_id[16];
    char cluster_id[32];
    bool is_checked; /* the precheck has passed once */
    bool is_started; /* a person wants it to capture */
    bool has_log;    /* its log was created: from then on a missing folder is an error, never a new log */
    bool is_deleting; /* its deletion was accepted: it ends, whatever comes between */
};

/* [A-Za-z0-9._-], 1..100 characters, not one of the names the data folder needs itself. */
bool channel_name_is_valid(const char *name);

/* Reads the body of a create request; `spec` is made new and must be given to channel_spec_fini on success.
 * ERR_INVALID: msg names the field and what it may be.  A server_id that is left out is drawn at random. */
NODISCARD enum err channel_spec_parse(const json_t *body, struct channel_spec *spec, struct err_msg *msg);
void channel_spec_fini(struct channel_spec *spec);
/* Reads the body of a change, {"tables": {"include": [...], "exclude": [...]}}, and puts its objects in the place of
 * those of `spec`, which go to `before` (of which only these are set): channel_spec_fini the one that is not kept.
 * ERR_INVALID: nothing changed. */
NODISCARD enum err channel_spec_select(const json_t *body, struct channel_spec *spec, struct channel_spec *before,
                                       struct err_msg *msg);
/* Reads the body of a change, {"compression": "..."}.  ERR_INVALID. */
NODISCARD enum err channel_spec_compress(const json_t *body, enum compression *out, struct err_msg *msg);
/* Makes `fresh` of `spec` and a merge patch (RFC 7396) of what a create request holds; a password that is not given
 * stays, and is then refused to other servers, users and weaker TLS: whoever may change a channel shall not learn it.
 * ERR_INVALID. */
NODISCARD enum err channel_spec_merge(const struct channel_spec *spec, const json_t *patch, struct channel_spec *fresh,
                                      struct err_msg *msg);
/* New reference; NULL: no memory. */
json_t *channel_spec_json(const struct channel_spec *spec, bool with_password);

/* The file's content, both ways. */
json_t *channel_file_json(const struct channel_spec *spec, const struct channel_life *life);
NODISCARD enum err channel_file_parse(const json_t *file, struct channel_spec *spec, struct channel_life *life,
                                      struct err_msg *msg);

/* Draws topic id and cluster id: random once, kept for the channel's life. */
void channel_life_init(struct channel_life *life);
/* Text of `random_bytes` random bytes in base64url, as Kafka writes its ids; `out_bytes` >= the text and its NUL. */
void channel_random_id(char *out, size_t out_bytes, size_t random_bytes_count);

#endif
