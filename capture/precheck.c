/* capture_precheck: does, once, what a channel does when it starts, and says what is missing. */
#include <stdio.h>
#include <string.h>

#include "capture/capture.h"
#include "capture/filter.h"
#include "capture/schema.h"
#include "capture/snapshot.h"
#include "capture/source_facts.h"
#include "capture/source_stream.h"
#include "formats/record_format.h"

struct precheck {
    const struct capture_config *config;
    struct source_stream *stream;
    struct source_facts facts;
};

/* The definitions of the selected tables can be read, and are of types that we know. */
static enum err check_definitions(const struct filter *filter, const struct catalog *c,
                                  const struct schema_rules *rules, struct err_msg *msg)
{
    struct schema *schema;
    if (schema_open(&schema, NULL, rules) != ERR_OK)
        return err_set(msg, ERR_NO_MEMORY, "no memory to read the table definitions");
    enum err e = ERR_OK;
    for (uint32_t d = 0; d < catalog_database_count(c); d++) {
        for (uint32_t i = 0; i < catalog_table_count(c, d) && e == ERR_OK; i++) {
            const struct catalog_table *t = catalog_table_at(c, d, i);
            const struct schema_table *ignored;
            if (t->kind == CATALOG_TABLE &&
                filter_selects(filter, t->database, strlen(t->database), t->name, strlen(t->name)))
                e = schema_define(schema, t, &ignored, msg);
        }
    }
    schema_close(schema);
    return e;
}

static enum err check_tables(struct precheck *p, struct err_msg *msg)
{
    struct filter *filter = NULL;
    struct catalog *catalog = NULL;
    struct snapshot_rules rules;
    TRY(snapshot_rules_read(p->stream, p->facts.version, &rules, msg));
    const struct schema_rules schema_rules = {.ignore_case = p->facts.ignore_case};
    enum err e = filter_open(&filter, p->config->include, p->config->exclude, p->facts.ignore_case, msg);
    if (e == ERR_OK && catalog_open(&catalog, &rules.server) != ERR_OK)
        e = err_set(msg, ERR_NO_MEMORY, "no memory to read the table definitions");
    if (e == ERR_OK) e = snapshot_read(p->stream, filter, catalog, msg);
    if (e == ERR_OK) e = check_definitions(filter, catalog, &schema_rules, msg);
    if (catalog != NULL) catalog_close(catalog);
    if (filter != NULL) filter_close(filter);
    return e;
}

/* The dump is refused or begins: its first packet tells. */
static enum err check_dump(struct precheck *p, struct err_msg *msg)
{
    struct source_place place;
    TRY(source_end(p->stream, &p->facts, &place, NULL, msg));
    TRY(source_place_check(p->stream, &place, msg));
    TRY(p->stream->ops->dump(p->stream, place.file, (uint32_t)place.position, msg));
    const uint8_t *event;
    size_t size;
    return p->stream->ops->next(p->stream, &event, &size, msg);
}

enum err capture_precheck(const struct capture_config *config, uint32_t timeout_s, struct err_msg *msg)
{
    if (config->host == NULL || config->user == NULL || config->include == NULL || config->include[0] == NULL)
        return err_set(msg, ERR_INVALID, "a channel needs a host, a user and at least one table pattern");
    if (record_format_find(config->format) == NULL)
        return err_set(msg, ERR_INVALID, "there is no record format %s", config->format);
    struct source_stream_config stream_config = {.host = config->host,
                                                 .port = config->port,
                                                 .user = config->user,
                                                 .password = config->password == NULL ? "" : config->password,
                                                 .server_id = config->server_id,
                                                 .packet_bytes_max = config->packet_bytes_max,
                                                 .tls = config->tls,
                                                 .heartbeat_ms = config->heartbeat_ms,
                                                 .read_timeout_s = timeout_s,
                                                 .connect_timeout_s = timeout_s};
    struct precheck p = {.config = config};
    TRY(source_stream_mysql_open(&p.stream, &stream_config, msg));
    enum err e = p.stream->ops->connect(p.stream, msg);
    if (e == ERR_OK) e = source_facts_read(p.stream, clock_real(), &p.facts, msg);
    if (e == ERR_OK) e = source_facts_check(&p.facts, config->server_id, config->partial_images_none, msg);
    if (e == ERR_OK) e = check_tables(&p, msg);
    if (e == ERR_OK) e = check_dump(&p, msg);
    p.stream->ops->close(p.stream);
    return e;
}
