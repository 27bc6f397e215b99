#include "capture/table_cache.h"

#include <stdlib.h>
#include <string.h>

#include "capture/table_map.h"

enum {
    IDS_MAX = 16384, /* a statement maps far fewer tables; more than half full, all are forgotten between statements */
    NAMES_SLOTS = 4096,
    NAMES_MAX = 65536, /* the same for names */
};

struct table_id { /* open addressing; entry NULL: free */
    uint64_t id;
    struct table_entry *entry;
};

struct table_cache {
    struct definitions *definitions;
    const struct filter *filter;
    struct table_id id[IDS_MAX];
    struct table_entry *name[NAMES_SLOTS];
    uint32_t id_count, name_count;
    bool statement_ended;
    struct table_map map; /* of the event being looked at */
};

enum err table_cache_open(struct table_cache **out, struct definitions *definitions, const struct filter *filter)
{
    struct table_cache *c = calloc(1, sizeof *c);
    if (c == NULL) return ERR_NO_MEMORY;
    c->definitions = definitions;
    c->filter = filter;
    *out = c;
    return ERR_OK;
}

static void free_names(struct table_cache *c)
{
    for (uint32_t i = 0; i < NAMES_SLOTS; i++) {
        while (c->name[i] != NULL) {
            struct table_entry *e = c->name[i];
            c->name[i] = e->next;
            row_decoder_release(&e->decoder);
            free(e->body);
            free(e);
        }
    }
    c->name_count = 0;
}

void table_cache_close(struct table_cache *c)
{
    if (c == NULL) return;
    free_names(c);
    free(c);
}

void table_cache_select(struct table_cache *c, const struct filter *filter)
{
    free_names(c);
    table_cache_reset(c);
    c->filter = filter;
}

void table_cache_reset(struct table_cache *c)
{
    memset(c->id, 0, sizeof c->id);
    c->id_count = 0;
    c->statement_ended = true;
}

/* The slot of an id, or the free one where it belongs. */
static struct table_id *find_id(struct table_cache *c, uint64_t id)
{
    uint32_t at = (uint32_t)(id * 0x9e3779b97f4a7c15u >> 50) % IDS_MAX;
    while (c->id[at].entry != NULL && c->id[at].id != id) at = (at + 1) % IDS_MAX;
    return &c->id[at];
}

/* The entry of a table name; made when new. */
static struct table_entry *find_name(struct table_cache *c, const struct table_map *m)
{
    uint32_t hash = 2166136261u;
    for (unsigned i = 0; i < m->database_bytes; i++) hash = (hash ^ (uint8_t)m->database[i]) * 16777619u;
    for (unsigned i = 0; i < m->table_bytes; i++) hash = (hash ^ (uint8_t)m->table[i]) * 16777619u;
    struct table_entry **slot = &c->name[hash % NAMES_SLOTS];

    for (struct table_entry *e = *slot; e != NULL; e = e->next)
        if (e->database_bytes == m->database_bytes && e->table_bytes == m->table_bytes &&
            memcmp(e->database, m->database, m->database_bytes) == 0 && memcmp(e->table, m->table, m->table_bytes) == 0)
            return e;
    struct table_entry *e = calloc(1, sizeof *e + m->database_bytes + m->table_bytes + 2u);
    if (e == NULL) return NULL;
    char *names = (char *)(e + 1);
    memcpy(names, m->database, m->database_bytes);
    memcpy(names + m->database_bytes + 1, m->table, m->table_bytes);
    e->database = names;
    e->table = names + m->database_bytes + 1;
    e->database_bytes = m->database_bytes;
    e->table_bytes = m->table_bytes;
    e->is_selected = filter_selects(c->filter, m->database, m->database_bytes, m->table, m->table_bytes);
    e->next = *slot;
    *slot = e;
    c->name_count++;
    return e;
}

/* Keeps the body (after its id) that the entry is prepared for. */
static enum err keep_body(struct table_entry *e, const uint8_t *bytes, uint32_t size)
{
    if (e->body_capacity < size) {
        uint8_t *grown = realloc(e->body, size);
        if (grown == NULL) return ERR_NO_MEMORY;
        e->body = grown;
        e->body_capacity = size;
    }
    memcpy(e->body, bytes, size);
    e->body_bytes = size;
    return ERR_OK;
}

static bool is_prepared(const struct table_cache *c, const struct table_entry *e, const uint8_t *bytes, size_t size)
{
    return e->body_bytes == size && e->schema_generation == schema_generation(c->definitions->schema) &&
           memcmp(e->body, bytes, size) == 0;
}

/* Between statements no id is awaited any more: the place to forget when there are many. */
static void forget_some(struct table_cache *c)
{
    if (!c->statement_ended) return;
    c->statement_ended = false;
    if (c->id_count < IDS_MAX / 2 && c->name_count < NAMES_MAX) return;
    table_cache_reset(c);
    c->statement_ended = false;
    if (c->name_count >= NAMES_MAX) free_names(c);
}

static enum err prepare(struct table_cache *c, struct table_entry *e, const uint8_t *bytes, size_t size,
                        struct err_msg *msg)
{
    e->body_bytes = 0;
    e->schema_generation = schema_generation(c->definitions->schema);
    e->definition = NULL;
    row_decoder_release(&e->decoder);
    if (e->is_selected) {
        const struct schema_table *definition;
        TRY(definitions_find(c->definitions, &c->map, &definition, msg));
        e->schema_generation = schema_generation(c->definitions->schema);
        TRY(row_decoder_prepare(&e->decoder, &c->map, definition, msg));
        e->definition = definition;
        e->definition_serial = definition->serial;
    }
    return keep_body(e, bytes, (uint32_t)size);
}

enum err table_cache_map(struct table_cache *c, const uint8_t *body, size_t size, struct table_entry **out,
                         struct err_msg *msg)
{
    *out = NULL;
    if (size < 6) return err_set(msg, ERR_CORRUPT, "TABLE_MAP event of %zu bytes has no table id", size);
    forget_some(c);
    uint64_t id = table_map_id(body, size);
    struct table_id *slot = find_id(c, id);
    if (slot->entry != NULL && is_prepared(c, slot->entry, body + 6, size - 6)) {
        *out = slot->entry;
        return ERR_OK;
    }
    TRY(table_map_decode(&c->map, body, size, msg));
    struct table_entry *e = find_name(c, &c->map);
    if (e == NULL) return ERR_NO_MEMORY;
    *out = e;
    if (!is_prepared(c, e, body + 6, size - 6)) TRY(prepare(c, e, body + 6, size - 6, msg));
    if (slot->entry == NULL) {
        if (c->id_count >= IDS_MAX - 1)
            return err_set(msg, ERR_TOO_LARGE, "one statement maps more than %u tables; split it on the source, and "
                           "make the channel anew behind this place", (unsigned)IDS_MAX);
        c->id_count++;
    }
    *slot = (struct table_id){id, e};
    return ERR_OK;
}

/* Between a statement's TABLE_MAP events and its rows the definition of another of its tables may be made anew. */
static bool is_current(const struct table_cache *c, struct table_entry *e)
{
    const struct schema *schema = c->definitions->schema;
    if (e->schema_generation == schema_generation(schema)) return true;
    if (e->definition == NULL || schema_serial(schema, e->database, e->table) != e->definition_serial) return false;
    e->schema_generation = schema_generation(schema);
    return true;
}

enum err table_cache_rows(struct table_cache *c, uint8_t type, const uint8_t *body, size_t size,
                          struct rows_event *event, struct table_entry **out, struct err_msg *msg)
{
    *out = NULL;
    TRY(rows_event_decode(event, type, body, size, msg));
    if ((event->flags & ROWS_FLAG_STATEMENT_END) != 0) c->statement_ended = true;
    if (event->column_count == 0) return ERR_OK;
    struct table_entry *e = find_id(c, event->table_id)->entry;
    if (e == NULL || e->body_bytes == 0 || (e->is_selected && !is_current(c, e)))
        return err_set(msg, ERR_CORRUPT, "a rows event is for table id %llu, which no TABLE_MAP event has named",
                       (unsigned long long)event->table_id);
    *out = e;
    return ERR_OK;
}
