/* Row events of tables of all types: a byte that chooses the table, one the event's type, then its body.  A table
 * number beyond the list: the rest is a TABLE_MAP event. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sink.h"
#include "capture/table_cache.h"
#include "tests/capture/definitions_support.h"
#include "tests/fuzz/fuzz.h"

struct column { /* as information_schema tells it, and as a TABLE_MAP does */
    const char *type, *charset;
    uint8_t map_type, metadata_bytes;
    uint8_t metadata[2];
};

static const struct column numbers[] = {
    {"tinyint(4)", NULL, 1, 0, {0}},
    {"smallint(5) unsigned", NULL, 2, 0, {0}},
    {"mediumint(9)", NULL, 9, 0, {0}},
    {"int(10) unsigned", NULL, 3, 0, {0}},
    {"bigint(20)", NULL, 8, 0, {0}},
    {"float", NULL, 4, 1, {4}},
    {"double", NULL, 5, 1, {8}},
    {"decimal(65,30)", NULL, 246, 2, {65, 30}},
    {"bit(12)", NULL, 16, 2, {4, 1}},
    {"year(4)", NULL, 13, 0, {0}},
};
static const struct column temporals[] = {
    {"date", NULL, 10, 0, {0}},         {"time(6)", NULL, 19, 1, {6}},      {"datetime(3)", NULL, 18, 1, {3}},
    {"timestamp(4)", NULL, 17, 1, {4}}, {"time", NULL, 11, 0, {0}},         {"datetime", NULL, 12, 0, {0}},
    {"timestamp", NULL, 7, 0, {0}},     {"datetime(5)", NULL, 12, 0, {0}},  {"time(2)", NULL, 11, 0, {0}},
};
static const struct column strings[] = {
    {"char(255)", "utf8mb4", 254, 2, {0xce, 0xfc}},
    {"varchar(300)", "latin1", 15, 2, {0x2c, 0x01}},
    {"binary(8)", NULL, 254, 2, {0xfe, 8}},
    {"mediumtext", "gbk", 252, 1, {3}},
    {"longblob", NULL, 252, 1, {4}},
    {"enum('x','y')", "utf8", 254, 2, {0xf7, 1}},
    {"set('p','q','r')", "utf8", 254, 2, {0xf8, 1}},
    {"json", NULL, 245, 1, {4}},
    {"geometry", NULL, 255, 1, {4}},
    {"json", NULL, 245, 1, {4}},
};
static const struct column mariadb[] = {
    {"uuid", NULL, 254, 2, {0xfe, 16}},
    {"inet4", NULL, 254, 2, {0xfe, 4}},
    {"inet6", NULL, 254, 2, {0xfe, 16}},
    {"varchar(100) /*M!100301 COMPRESSED*/", "utf8mb4", 141, 2, {0x91, 0x01}},
    {"text /*M!100301 COMPRESSED*/", "sjis", 140, 1, {2}},
};
static const struct {
    const char *name, *version;
    const struct column *column;
    uint8_t count;
} tables[] = {{"numbers", "5.7.29", numbers, sizeof numbers / sizeof *numbers},
              {"temporals", "5.7.29", temporals, sizeof temporals / sizeof *temporals},
              {"strings", "9.7.4", strings, sizeof strings / sizeof *strings},
              {"mariadb", "10.11.19-MariaDB", mariadb, sizeof mariadb / sizeof *mariadb}};
enum { TABLES = sizeof tables / sizeof *tables };
static const uint8_t types[] = {23, 24, 25, 30, 31, 32, 39, 166, 167, 168, 169, 170, 171};

struct rig { /* a source with one table, made once */
    struct told told;
    struct table_cache *cache;
    struct row_arena arena;
};

static void rig_open(struct rig *r, unsigned i, const struct filter *filter)
{
    *r = (struct rig){.cache = NULL};
    struct told_column column[16];
    struct table_entry *entry;
    struct err_msg msg;
    uint8_t body[256], metadata[64];
    struct sink out = sink_of(body, sizeof body), meta = sink_of(metadata, sizeof metadata);

    told_open(&r->told, tables[i].version, NULL, false, false);
    if (i % 2 == 0 || i == 3) told_deliver_utf8mb4(&r->told);
    sink_le(&out, 7, 6);
    sink_le(&out, 1, 2);
    sink_bytes(&out, "\1d", 3);
    sink_le(&out, strlen(tables[i].name), 1);
    sink_bytes(&out, tables[i].name, strlen(tables[i].name) + 1);
    sink_le(&out, tables[i].count, 1);
    for (unsigned c = 0; c < tables[i].count; c++) {
        const struct column *from = &tables[i].column[c];
        static const char *const name[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
        column[c] = (struct told_column){name[c], from->type, from->charset};
        sink_le(&out, from->map_type, 1);
        sink_bytes(&meta, from->metadata, from->metadata_bytes);
    }
    sink_le(&out, (uint64_t)(meta.at - metadata), 1);
    sink_bytes(&out, metadata, (size_t)(meta.at - metadata));
    sink_le(&out, 0xffff, (tables[i].count + 7u) / 8);
    told_table(&r->told, "d", tables[i].name, column, tables[i].count, NULL, 0, false);
    FUZZ_CHECK(table_cache_open(&r->cache, &r->told.definitions, filter) == ERR_OK);
    FUZZ_CHECK(row_arena_init(&r->arena, 256, 1 << 20) == ERR_OK);
    FUZZ_CHECK(table_cache_map(r->cache, body, (size_t)(out.at - body), &entry, &msg) == ERR_OK);
}

static void read_rows(struct rig *r, uint8_t type, const uint8_t *body, size_t size)
{
    static struct change_value before[SCHEMA_COLUMNS_MAX], after[SCHEMA_COLUMNS_MAX];
    struct rows_event event;
    struct row_reader reader;
    struct table_entry *entry;
    struct err_msg msg;
    uint64_t rows = 0;

    if (table_cache_rows(r->cache, type, body, size, &event, &entry, &msg) != ERR_OK || entry == NULL) return;
    if (row_reader_init(&reader, &event, &entry->decoder, &r->arena, &msg) != ERR_OK) return;
    while (row_reader_more(&reader) && row_reader_next(&reader, before, after, &msg) == ERR_OK) {
        if (reader.is_partial) (void)row_reader_fill(&reader, before, after);
        FUZZ_CHECK(reader.row < reader.at && ++rows == reader.rows);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct rig rig[TABLES];
    static struct filter *filter;
    static const char *const include[] = {"*.*", NULL};
    struct table_entry *entry;
    struct err_msg msg;

    if (filter == NULL) {
        log_set_level(LOG_LEVEL_ERROR);
        FUZZ_CHECK(filter_open(&filter, include, NULL, false, &msg) == ERR_OK);
        for (unsigned i = 0; i < TABLES; i++) rig_open(&rig[i], i, filter);
    }
    if (size < 2) return 0;
    uint8_t *exact = malloc(size - 2 + 1);
    memcpy(exact + 1, bytes + 2, size - 2);
    if (bytes[0] < TABLES) {
        read_rows(&rig[bytes[0]], types[bytes[1] % sizeof types], exact + 1, size - 2);
    } else { /* a map may teach the definitions: they are thrown away */
        struct rig fresh;
        rig_open(&fresh, bytes[1] % TABLES, filter);
        (void)table_cache_map(fresh.cache, exact + 1, size - 2, &entry, &msg);
        table_cache_close(fresh.cache);
        row_arena_fini(&fresh.arena);
        told_close(&fresh.told);
    }
    free(exact);
    return 0;
}
