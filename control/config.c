#include "control/config.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ring/chunk_pool.h"
#include "storage/log_reader.h"

enum config_kind { CONFIG_TEXT, CONFIG_NUMBER, CONFIG_FLAG, CONFIG_CORES };

struct config_field {
    const char *name;
    enum config_kind kind;
    size_t in_config, in_file; /* offsets of the member in struct config(_listener) and struct config_file(_listener) */
    int64_t min, max, number;  /* number: the default of a NUMBER or FLAG */
    const char *text, *words;  /* the default of a TEXT (NULL: required), the words allowed (NULL: any) */
    const char *why;
};

/* What stands in the file: a pointer that stays NULL where the key is absent. */
#define FILE_TEXT(name, ...)   char *name;
#define FILE_NUMBER(name, ...) int64_t *name;
#define FILE_FLAG(name, ...)   char *name; /* not the library's bool: that takes any word for true */
#define FILE_CORES(name, ...)                                                                                          \
    int32_t *name;                                                                                                     \
    unsigned name##_count;
struct config_file_listener {
    CONFIG_LISTENER_FIELDS(FILE_TEXT, FILE_NUMBER, FILE_FLAG)
};
struct config_file {
    CONFIG_FIELDS(FILE_TEXT, FILE_NUMBER, FILE_FLAG, FILE_CORES)
    struct config_file_listener *listeners;
    unsigned listeners_count;
};

#define AT(name)                               offsetof(struct config, name), offsetof(struct config_file, name)
#define ROW_TEXT(name, value, words, why)      {#name, CONFIG_TEXT, AT(name), 0, 0, 0, value, words, why},
#define ROW_NUMBER(name, min, max, value, why) {#name, CONFIG_NUMBER, AT(name), min, max, value, NULL, NULL, why},
#define ROW_FLAG(name, value, why)             {#name, CONFIG_FLAG, AT(name), 0, 1, value, NULL, NULL, why},
#define ROW_CORES(name, why)                   {#name, CONFIG_CORES, AT(name), 0, 1023, 0, NULL, NULL, why},
static const struct config_field fields[] = {CONFIG_FIELDS(ROW_TEXT, ROW_NUMBER, ROW_FLAG, ROW_CORES)};
#undef AT
#define AT(name) offsetof(struct config_listener, name), offsetof(struct config_file_listener, name)
static const struct config_field listener_fields[] = {CONFIG_LISTENER_FIELDS(ROW_TEXT, ROW_NUMBER, ROW_FLAG)};
enum {
    FIELD_COUNT = sizeof fields / sizeof *fields,
    LISTENER_FIELD_COUNT = sizeof listener_fields / sizeof *listener_fields
};

static const cyaml_schema_value_t core_schema = {CYAML_VALUE_INT(CYAML_FLAG_DEFAULT, int32_t)};

#define OPTIONAL (CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER)
#define YAML_TEXT(name, ...)                                                                                           \
    CYAML_FIELD_STRING_PTR(#name, OPTIONAL, struct YAML_FILE, name, 0, CONFIG_TEXT_BYTES - 1),
#define YAML_NUMBER(name, ...) CYAML_FIELD_INT_PTR(#name, OPTIONAL, struct YAML_FILE, name),
#define YAML_FLAG(name, ...)   CYAML_FIELD_STRING_PTR(#name, OPTIONAL, struct YAML_FILE, name, 0, 8),
#define YAML_CORES(name, ...)                                                                                          \
    CYAML_FIELD_SEQUENCE(#name, OPTIONAL, struct config_file, name, &core_schema, 0, CONFIG_CORES_MAX),
#define YAML_FILE config_file_listener
static const cyaml_schema_field_t listener_schema_fields[] = {
    CONFIG_LISTENER_FIELDS(YAML_TEXT, YAML_NUMBER, YAML_FLAG) CYAML_FIELD_END};
static const cyaml_schema_value_t listener_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_file_listener, listener_schema_fields)};
#undef YAML_FILE
#define YAML_FILE config_file
static const cyaml_schema_field_t file_schema_fields[] = {
    CONFIG_FIELDS(YAML_TEXT, YAML_NUMBER, YAML_FLAG, YAML_CORES)
        CYAML_FIELD_SEQUENCE("listeners", OPTIONAL, struct config_file, listeners, &listener_schema, 0,
                             CONFIG_LISTENERS_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t file_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config_file, file_schema_fields)};

/* The library tells what is wrong, and where, in lines of its log: the first error, then the way to it from the inside
 * out. */
struct yaml_complaint {
    char text[256];
    size_t used;
    unsigned lines;
};

__attribute__((format(printf, 3, 0))) static void yaml_log(cyaml_log_t level, void *context, const char *fmt,
                                                           va_list args)
{
    struct yaml_complaint *c = context;
    if (level != CYAML_LOG_ERROR || c->lines >= 3) return;
    char line[160];
    int n = vsnprintf(line, sizeof line, fmt, args);
    if (n < 0 || strstr(line, "Backtrace") != NULL) return;
    line[strcspn(line, "\n")] = '\0';
    const char *start = strncmp(line, "Load: ", 6) == 0 ? line + 6 : line;
    while (*start == ' ') start++;
    n = snprintf(c->text + c->used, sizeof c->text - c->used, "%s%s", c->lines == 0 ? "" : ", ", start);
    if (n > 0) c->used += (size_t)n < sizeof c->text - c->used ? (size_t)n : sizeof c->text - c->used - 1;
    c->lines++;
}

/* What to write instead of a key that there once was; NULL: it is none of those. */
static const char *former_key_mend(const char *complaint)
{
    if (strstr(complaint, "key: listen_address") == NULL && strstr(complaint, "key: listen_port") == NULL) return NULL;
    return "a list of listeners replaced listen_address and listen_port: write instead, with your address and port,\n"
           "listeners:\n  - {name: kafka, address: 127.0.0.1, port: 9092}";
}

static bool word_is_allowed(const char *words, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = words; size > 0 && *at != '\0'; at += *at == ' ') {
        size_t length = strcspn(at, " ");
        if (length == size && strncmp(at, word, size) == 0) return true;
        at += length;
    }
    return false;
}

static enum err take_text(const struct config_field *f, const char *name, const char *given, char *out,
                          struct err_msg *msg)
{
    const char *value = given == NULL ? f->text : given;
    if (value == NULL || (f->text == NULL && *value == '\0'))
        return err_set(msg, ERR_INVALID, "%s: %s is required: %s", name, f->name, f->why);
    if (f->words != NULL && !word_is_allowed(f->words, value))
        return err_set(msg, ERR_INVALID, "%s: %s: '%.40s' is none of: %s", name, f->name, value, f->words);
    snprintf(out, CONFIG_TEXT_BYTES, "%s", value);
    return ERR_OK;
}

static enum err check_bounds(const struct config_field *f, const char *name, int64_t value, struct err_msg *msg)
{
    if (value >= f->min && value <= f->max) return ERR_OK;
    return err_set(msg, ERR_INVALID, "%s: %s is %" PRId64 ", must be %" PRId64 " to %" PRId64 " (%s)", name, f->name,
                   value, f->min, f->max, f->why);
}

/* From what stands in the file (a config_file or config_file_listener) into the configuration. */
static enum err take_field(const struct config_field *f, const char *name, const void *file, void *out,
                           struct err_msg *msg)
{
    const char *from = (const char *)file + f->in_file;
    char *to = (char *)out + f->in_config;
    switch (f->kind) {
    case CONFIG_TEXT: return take_text(f, name, *(char *const *)(const void *)from, to, msg);
    case CONFIG_NUMBER: {
        const int64_t *given = *(int64_t *const *)(const void *)from;
        int64_t value = given == NULL ? f->number : *given;
        TRY(check_bounds(f, name, value, msg));
        memcpy(to, &value, sizeof value);
        return ERR_OK;
    }
    case CONFIG_FLAG: {
        const char *given = *(char *const *)(const void *)from;
        bool value = given == NULL ? f->number != 0 : strcmp(given, "true") == 0;
        if (given != NULL && !word_is_allowed("true false", given))
            return err_set(msg, ERR_INVALID, "%s: %s is '%s', must be true or false", name, f->name, given);
        memcpy(to, &value, sizeof value);
        return ERR_OK;
    }
    case CONFIG_CORES: {
        const int32_t *given = *(int32_t *const *)(const void *)from;
        struct config_cores cores = {.count = 0};
        unsigned count;
        memcpy(&count, from + sizeof(int32_t *), sizeof count);
        for (unsigned i = 0; given != NULL && i < count; i++) {
            TRY(check_bounds(f, name, given[i], msg));
            cores.core[cores.count++] = given[i];
        }
        memcpy(to, &cores, sizeof cores);
        return ERR_OK;
    }
    }
    return ERR_OK;
}

enum { SESSION_LIFETIME_MS_MIN = 10000 };

/* What no single field can say. */
static enum err check_together(const char *name, const struct config *c, struct err_msg *msg)
{
    if (c->session_lifetime_ms != 0 && c->session_lifetime_ms < SESSION_LIFETIME_MS_MIN)
        return err_set(msg, ERR_INVALID,
                       "%s: session_lifetime_ms is %" PRId64 ", must be 0 (sessions do not end) or at least %d: "
                       "clients log in anew some time before its end, and not twice in a second",
                       name, c->session_lifetime_ms, SESSION_LIFETIME_MS_MIN);
    if (c->chunk_bytes % LOG_BLOCK_BYTES != 0)
        return err_set(msg, ERR_INVALID, "%s: chunk_bytes is %" PRId64 ", must be a multiple of %d", name,
                       c->chunk_bytes, LOG_BLOCK_BYTES);
    if (c->serve_cores.count != 0 && c->serve_cores.count != (uint32_t)c->serve_thread_count)
        return err_set(msg, ERR_INVALID,
                       "%s: serve_cores names %u cores for %" PRId64 " serving threads (serve_thread_count)", name,
                       c->serve_cores.count, c->serve_thread_count);
    if (c->record_bytes_max > c->chunk_bytes * (LOG_SLICE_PIECES - 2))
        return err_set(msg, ERR_INVALID,
                       "%s: record_bytes_max is %" PRId64 ", but chunks of %" PRId64 " bytes carry at most %" PRId64
                       "; raise chunk_bytes or lower record_bytes_max",
                       name, c->record_bytes_max, c->chunk_bytes, c->chunk_bytes * (LOG_SLICE_PIECES - 2));
    if (c->packet_bytes_max < c->record_bytes_max)
        return err_set(msg, ERR_INVALID,
                       "%s: packet_bytes_max (%" PRId64 ") is below record_bytes_max (%" PRId64
                       "): no such record could arrive",
                       name, c->packet_bytes_max, c->record_bytes_max);
    int64_t chunks_min = c->captures_max * (CONFIG_LEASES_PER_LOG + 2) + 2 * (c->record_bytes_max / c->chunk_bytes + 2);
    if (c->chunk_count < chunks_min)
        return err_set(msg, ERR_INVALID,
                       "%s: chunk_count is %" PRId64 ", but %" PRId64 " started channels and records of up to %" PRId64
                       " bytes need %" PRId64 "; raise chunk_count or lower captures_max or record_bytes_max",
                       name, c->chunk_count, c->captures_max, c->record_bytes_max, chunks_min);
    return ERR_OK;
}

static bool address_is_loopback(const char *a) { return strncmp(a, "127.", 4) == 0 || strcmp(a, "::1") == 0; }
static bool address_is_any(const char *a) { return strcmp(a, "0.0.0.0") == 0 || strcmp(a, "::") == 0; }

static bool is_past_kernel(const struct config_listener *l) { return strcmp(l->network, "dpdk") == 0; }

/* Its address must be the device's: nobody else would answer there. */
static enum err check_past_kernel(const char *name, const struct config *all, const struct config_listener *l,
                                  struct err_msg *msg)
{
    if (!is_past_kernel(l)) return ERR_OK;
    if (all->dpdk_device[0] == '\0')
        return err_set(msg, ERR_INVALID, "%s: network is dpdk: set dpdk_device and dpdk_address", name);
    const char *slash = strchr(all->dpdk_address, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - all->dpdk_address);
    bool is_4 = size > 0 && strlen(l->address) == size && memcmp(l->address, all->dpdk_address, size) == 0;
    bool is_6 = all->dpdk_address6[0] != '\0' && strcmp(l->address, all->dpdk_address6) == 0;
    if (!is_4 && !is_6)
        return err_set(msg, ERR_INVALID, "%s: network is dpdk: address %s must be that of dpdk_address (%s) without "
                       "its prefix, or dpdk_address6", name, l->address, all->dpdk_address);
    if (l->port == 0)
        return err_set(msg, ERR_INVALID, "%s: network is dpdk: port must not be 0", name);
    return ERR_OK;
}

/* What one listener's keys say together; `name`: of the file and the entry. */
static enum err check_listener(const char *name, const struct config *all, const struct config_listener *l,
                               struct err_msg *msg)
{
    if (strspn(l->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(l->name))
        return err_set(msg, ERR_INVALID, "%s: name is '%.60s', may hold letters, digits, - and _", name, l->name);
    if (strlen(l->name) > CONFIG_LISTENER_NAME_MAX || strlen(l->advertised_host) > CONFIG_HOST_MAX)
        return err_set(msg, ERR_INVALID, "%s: name may have %d characters, advertised_host %d", name,
                       CONFIG_LISTENER_NAME_MAX, CONFIG_HOST_MAX);
    if (address_is_any(l->address) && l->advertised_host[0] == '\0')
        return err_set(msg, ERR_INVALID, "%s: address is %s, which no client can connect to: set advertised_host to "
                       "the name or address of this machine that clients use", name, l->address);
    TRY(check_past_kernel(name, all, l, msg));
    if (l->request_bytes_max > all->request_bytes_max)
        return err_set(msg, ERR_INVALID, "%s: request_bytes_max is %" PRId64 ", but at most %" PRId64 " for all "
                       "listeners: raise that", name, l->request_bytes_max, all->request_bytes_max);
    bool has_tls = l->tls_certificate[0] != '\0', asks = strcmp(l->client_certificates, "none") != 0;
    if (has_tls != (l->tls_key[0] != '\0'))
        return err_set(msg, ERR_INVALID, "%s: tls_certificate and tls_key go together: set both or none", name);
    if (!has_tls && (asks || l->tls_client_ca[0] != '\0'))
        return err_set(msg, ERR_INVALID, "%s: client_certificates and tls_client_ca need TLS: set tls_certificate and "
                       "tls_key", name);
    if (asks != (l->tls_client_ca[0] != '\0'))
        return err_set(msg, ERR_INVALID, "%s: client_certificates is %s and tls_client_ca is '%s': clients are asked "
                       "for certificates of these authorities, so set both or none", name, l->client_certificates,
                       l->tls_client_ca);
    bool knows_who = strcmp(l->authentication, "required") == 0 || strcmp(l->client_certificates, "required") == 0;
    if (!address_is_loopback(l->address) && !knows_who && !l->accept_anyone)
        return err_set(msg, ERR_INVALID, "%s: address %s is not a loopback address and nobody has to log in: set "
                       "authentication: required or client_certificates: required, or accept_anyone: true if whoever "
                       "reaches it may read everything", name, l->address);
    return ERR_OK;
}

static enum err check_listeners(const char *name, const struct config *c, struct err_msg *msg)
{
    for (uint32_t i = 0; i < c->listener_count; i++) {
        const struct config_listener *a = &c->listeners[i];
        if (strcmp(a->address, c->rest_address) == 0 && a->port == c->rest_port && a->port != 0)
            return err_set(msg, ERR_INVALID, "%s: listeners[%u]: port and rest_port are both %" PRId64, name, i,
                           a->port);
        for (uint32_t j = 0; j < i; j++) {
            const struct config_listener *b = &c->listeners[j];
            if (strcmp(a->name, b->name) == 0)
                return err_set(msg, ERR_INVALID, "%s: listeners[%u] and listeners[%u] have the same name %s", name, j,
                               i, a->name);
            bool is_one_device = is_past_kernel(a) && is_past_kernel(b); /* it listens on all its addresses */
            bool is_same = is_one_device || strcmp(a->address, b->address) == 0;
            if (is_same && a->port == b->port && a->port != 0)
                return err_set(msg, ERR_INVALID, "%s: listeners[%u] and listeners[%u]: port is %" PRId64 " in both",
                               name, j, i, a->port);
        }
    }
    return ERR_OK;
}

/* Without a list there is one listener, all of it by default. */
static enum err take_listeners(const char *name, const struct config_file *file, struct config *out,
                               struct err_msg *msg)
{
    static char only_name[] = "kafka";
    struct config_file_listener only = {.name = only_name};
    const struct config_file_listener *from = file->listeners_count == 0 ? &only : file->listeners;
    out->listener_count = file->listeners_count == 0 ? 1 : file->listeners_count;
    for (uint32_t i = 0; i < out->listener_count; i++) {
        char entry[CONFIG_TEXT_BYTES];
        snprintf(entry, sizeof entry, "%.900s: listeners[%u]", name, i);
        for (unsigned f = 0; f < LISTENER_FIELD_COUNT; f++)
            TRY(take_field(&listener_fields[f], entry, &from[i], &out->listeners[i], msg));
        TRY(check_listener(entry, out, &out->listeners[i], msg));
    }
    return check_listeners(name, out, msg);
}

enum err config_parse(const char *name, const char *text, size_t text_bytes, struct config *out, struct err_msg *msg)
{
    struct yaml_complaint complaint = {.used = 0};
    cyaml_config_t yaml = {
        .log_fn = yaml_log,
        .log_ctx = &complaint,
        .mem_fn = cyaml_mem,
        .log_level = CYAML_LOG_ERROR,
        .flags = CYAML_CFG_NO_ALIAS,
    };
    struct config_file *file = NULL;
    cyaml_err_t rc =
        cyaml_load_data((const uint8_t *)text, text_bytes, &yaml, &file_schema, (cyaml_data_t **)&file, NULL);
    const char *mend = former_key_mend(complaint.text);
    if (rc != CYAML_OK)
        return err_set(msg, ERR_INVALID, "%s: %s%s%s; %s", name, cyaml_strerror(rc), complaint.used == 0 ? "" : ": ",
                       complaint.text, mend == NULL ? "'millraced --config-help' lists the keys" : mend);
    if (file == NULL) return err_set(msg, ERR_INVALID, "%s is empty: at least data_folder is required", name);
    enum err e = ERR_OK;
    struct config *made = calloc(1, sizeof *made);
    if (made == NULL) e = err_set(msg, ERR_NO_MEMORY, "no memory to read %s", name);
    for (unsigned i = 0; i < FIELD_COUNT && e == ERR_OK; i++) e = take_field(&fields[i], name, file, made, msg);
    if (e == ERR_OK && (made->captures_max == 0 || made->captures_max > made->channels_max))
        made->captures_max = made->channels_max;
    if (e == ERR_OK) e = check_together(name, made, msg);
    if (e == ERR_OK) e = take_listeners(name, file, made, msg);
    cyaml_free(&yaml, &file_schema, file, 0);
    if (e == ERR_OK) *out = *made;
    free(made);
    return e;
}

enum err config_load(const char *path, struct config *out, struct err_msg *msg)
{
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return err_set(msg, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open the configuration %s: %s", path,
                       strerror(errno));
    char *text = malloc(CONFIG_FILE_BYTES_MAX);
    size_t used = text == NULL ? 0 : fread(text, 1, CONFIG_FILE_BYTES_MAX, in);
    bool failed = ferror(in) != 0;
    fclose(in);
    enum err e;
    if (text == NULL)
        e = err_set(msg, ERR_NO_MEMORY, "no memory to read %s", path);
    else if (failed)
        e = err_set(msg, ERR_IO, "cannot read the configuration %s", path);
    else if (used == CONFIG_FILE_BYTES_MAX)
        e = err_set(msg, ERR_INVALID, "%s is larger than a configuration can be (1 MiB)", path);
    else
        e = config_parse(path, text, used, out, msg);
    free(text);
    return e;
}

static void print_fields(FILE *to, const struct config_field *field, unsigned count, const char *indent)
{
    for (unsigned i = 0; i < count; i++) {
        const struct config_field *f = &field[i];
        fprintf(to, "\n%s%s\n%s    %s\n%s    ", indent, f->name, indent, f->why, indent);
        switch (f->kind) {
        case CONFIG_TEXT:
            if (f->words != NULL) fprintf(to, "one of: %s\n%s    ", f->words, indent);
            if (f->text == NULL)
                fprintf(to, "required\n");
            else
                fprintf(to, "default: %s\n", f->text[0] == '\0' ? "empty" : f->text);
            break;
        case CONFIG_NUMBER:
            fprintf(to, "%" PRId64 " to %" PRId64 ", default: %" PRId64 "\n", f->min, f->max, f->number);
            break;
        case CONFIG_FLAG: fprintf(to, "true or false, default: %s\n", f->number != 0 ? "true" : "false"); break;
        case CONFIG_CORES: fprintf(to, "a list of core numbers, default: []\n"); break;
        }
    }
}

void config_print_manual(FILE *to)
{
    fprintf(to, "The configuration of millraced: a YAML file of these keys.  Units stand at the end of a name.\n"
                "Keys that are left out have their default; keys that are not listed here are an error.\n");
    print_fields(to, fields, FIELD_COUNT, "");
    fprintf(to, "\nlisteners\n    where Kafka clients connect: a list of 1 to %d entries of the keys below\n"
                "    default: one, with the name kafka\n", CONFIG_LISTENERS_MAX);
    print_fields(to, listener_fields, LISTENER_FIELD_COUNT, "    ");
}
