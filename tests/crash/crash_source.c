/* tests/crash/crash_source.c -- see crash_source.h */
#include "tests/crash/crash_source.h"

#include <check.h>
#include <stdlib.h>

static const char *columns[][STREAM_SIM_COLUMN_FIELDS] = {
    {"app", "kept", "id", "int(11)", NULL, "NO"},  {"app", "kept", "text", "text", "utf8mb4_general_ci", "YES"},
    {"app", "other", "id", "int(11)", NULL, "NO"}, {"app", "other", "text", "text", "utf8mb4_general_ci", "YES"},
};
static const char *keys[][STREAM_SIM_KEY_FIELDS] = {
    {"app", "kept", "PRIMARY", "id", "BTREE"},
    {"app", "other", "PRIMARY", "id", "BTREE"},
};
const char *const crash_tables[3] = {"kept", "other", "filtered"};
const char *const crash_include[] = {"app.kept", "app.other", NULL};

void crash_source_init(struct crash_source *s, const struct clock *clock, uint64_t seed)
{
    *s = (struct crash_source){.row = calloc(CRASH_ROWS_MAX, sizeof *s->row),
                               .transaction_end = calloc(CRASH_ENDS_MAX, sizeof *s->transaction_end)};
    ck_assert(s->row != NULL && s->transaction_end != NULL);
    random_init(&s->random, seed);
    stream_sim_source_init(&s->stream, clock, seed);
    s->stream.column = columns;
    s->stream.column_count = sizeof columns / sizeof columns[0];
    s->stream.key = keys;
    s->stream.key_count = sizeof keys / sizeof keys[0];
    s->stream.heartbeat_ms = 1000;
    s->stream.breaks_per_million = 2000;
    binlog_maker_init(&s->maker, &s->stream);
}

void crash_source_fini(struct crash_source *s)
{
    stream_sim_source_fini(&s->stream);
    free(s->row);
    free(s->transaction_end);
}

char crash_text_at(const struct expected_row *r, uint32_t index) { return (char)('a' + (r->id + index) % 26); }

static void expect(struct crash_source *s, uint32_t table, uint32_t first_id, uint32_t count, uint32_t text_bytes)
{
    ck_assert_uint_lt(s->row_count + count, CRASH_ROWS_MAX);
    for (uint32_t i = 0; i < count; i++)
        s->row[s->row_count++] = (struct expected_row){table, first_id + i, text_bytes};
}

static void statement(struct crash_source *s, uint32_t table, bool is_large)
{
    struct random *r = &s->random;
    uint32_t id = (uint32_t)random_below(r, 1000000);
    uint32_t rows = 1 + (uint32_t)random_below(r, 5), text_bytes = (uint32_t)random_below(r, 200);
    if (is_large) rows = 60, text_bytes = 500;
    if (random_below(r, 80) == 0) rows = 1, text_bytes = 40000; /* larger than a chunk */
    binlog_maker_table_map(&s->maker, 100 + table, "app", crash_tables[table]);
    binlog_maker_write(&s->maker, 100 + table, id, rows, text_bytes);
    if (table != 2) expect(s, table, id, rows, text_bytes);
}

enum ending { COMMITTED, ROLLED_BACK, UNFINISHED };

static void transaction(struct crash_source *s, enum ending ending)
{
    struct random *r = &s->random;
    bool     only_filtered = random_below(r, 4) == 0, is_large = random_below(r, 25) == 0;
    uint64_t before = s->row_count;
    binlog_maker_gtid(&s->maker);
    binlog_maker_query(&s->maker, "app", "BEGIN");
    for (uint64_t i = 1 + random_below(r, is_large ? 12 : 4); i > 0; i--)
        statement(s, only_filtered ? 2 : (uint32_t)random_below(r, 3), is_large);
    if (ending != COMMITTED) {
        s->row_count = before;
        if (ending == ROLLED_BACK) binlog_maker_query(&s->maker, "app", "ROLLBACK");
        return;
    }
    binlog_maker_xid(&s->maker);
    if (s->row_count > before) {
        ck_assert_uint_lt(s->transaction_count, CRASH_ENDS_MAX);
        s->transaction_end[s->transaction_count++] = s->row_count;
    }
}

void crash_source_step(struct crash_source *s)
{
    if (s->is_crashing) { /* the source comes back: what was begun never happened, its GTID is used again */
        s->is_crashing = false;
        s->maker.gtid_number--;
        binlog_maker_file(&s->maker, false);
        return;
    }
    s->maker.now_s += random_below(&s->random, 3) == 0;
    switch (random_below(&s->random, 60)) {
    case 0:
        if (s->stream.file_count < STREAM_SIM_FILES_MAX - 2) binlog_maker_file(&s->maker, true);
        return;
    case 1:
        if (s->stream.file_count >= STREAM_SIM_FILES_MAX - 2) return;
        transaction(s, UNFINISHED);
        s->is_crashing = true;
        return;
    case 2:
        binlog_maker_gtid(&s->maker);
        binlog_maker_query(&s->maker, "app", "CREATE VIEW app.v AS SELECT 1");
        s->ddl_count++;
        return;
    case 3: transaction(s, ROLLED_BACK); return;
    default: transaction(s, COMMITTED);
    }
}
