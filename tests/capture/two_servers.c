#include "tests/capture/two_servers.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum { TURN_NS = 50000000, IDLE_TURNS = 60, FILES_SPARE = 4 };

const char *const pair_tables[PAIR_TABLES] = {"filtered", "kept", "other"};
enum { FILTERED, KEPT };
static const char *const extra_names[PAIR_EXTRA_MAX] = {"c1", "c2", "c3", "c4"};
static const char *keys[][STREAM_SIM_KEY_FIELDS] = {{"app", "filtered", "PRIMARY", "id", "BTREE"},
                                                    {"app", "kept", "PRIMARY", "id", "BTREE"},
                                                    {"app", "other", "PRIMARY", "id", "BTREE"}};

/* --- servers --- */

static void dictionary(struct pair_server *s)
{
    uint32_t n = 0;
    for (int t = 0; t < PAIR_TABLES; t++) {
        for (int k = 0; k < 2 + s->extra[t]; k++) {
            const char *name = k == 0 ? "id" : k == 1 ? "text" : extra_names[k - 2];
            const char *const row[] = {"app", pair_tables[t], name, k == 1 ? "text" : "int(11)",
                                       k == 1 ? "utf8mb4_general_ci" : NULL, k == 1 ? "YES" : "NO"};
            memcpy(s->column[n++], row, sizeof row);
        }
    }
    s->source.column = s->column;
    s->source.column_count = n;
}

static void server_init(struct pair *p, uint32_t i)
{
    struct pair_server *s = &p->server[i];
    stream_sim_source_init(&s->source, &p->w.clock.clock, p->seed * 2 + i);
    snprintf(s->uuid_text, sizeof s->uuid_text, "%08x-71ca-11e1-9e33-c80aa9429562", i == 0 ? 0x3e11fa47u : 0x11223344u);
    memcpy(s->uuid, binlog_maker_uuid, sizeof s->uuid);
    if (i == 1) memcpy(s->uuid, "\x11\x22\x33\x44", 4);
    s->source.server_uuid = s->uuid_text;
    s->source.heartbeat_ms = 500;
    s->source.key = keys;
    s->source.key_count = PAIR_TABLES;
    dictionary(s);
    binlog_maker_init(&s->maker, &s->source);
    s->maker.previous = s->source.told = &s->executed;
    for (uint64_t files = random_below(&p->random, 3); files > 0; files--) binlog_maker_file(&s->maker, true);
}

static void gtid(struct pair *p, struct pair_server *s, const struct past *t)
{
    memcpy(s->maker.uuid, p->server[t->server].uuid, sizeof s->maker.uuid);
    s->maker.gtid_number = t->number - 1;
    binlog_maker_gtid(&s->maker);
}

static void rows(struct pair *p, struct pair_server *s, const struct past *t)
{
    binlog_maker_query(&s->maker, "app", "BEGIN");
    for (uint32_t i = 0; i < t->row_count; i++) {
        const struct past_row *r = &p->row[t->first_row + i];
        ck_assert_uint_eq(r->extra, s->extra[r->table]);
        binlog_maker_wide_row(&s->maker, 100 + r->table, "app", pair_tables[r->table], r->extra, r->id, r->text_bytes);
    }
}

static void apply(struct pair *p, struct pair_server *s, const struct past *t)
{
    char text[160];
    uint8_t filtered = s->extra[FILTERED];
    gtid(p, s, t);
    switch (t->kind) {
    case PAST_ROWS:
        rows(p, s, t);
        binlog_maker_xid(&s->maker);
        break;
    case PAST_ADD:
        snprintf(text, sizeof text, "ALTER TABLE app.%s ADD COLUMN %s INT NOT NULL", pair_tables[t->table],
                 extra_names[s->extra[t->table]++]);
        binlog_maker_query(&s->maker, "app", text);
        break;
    case PAST_DROP:
        snprintf(text, sizeof text, "ALTER TABLE app.%s DROP COLUMN %s", pair_tables[t->table],
                 extra_names[--s->extra[t->table]]);
        binlog_maker_query(&s->maker, "app", text);
        break;
    case PAST_SWAP:
        binlog_maker_query(&s->maker, "app", "RENAME TABLE app.kept TO app.t, app.filtered TO app.kept, "
                                             "app.t TO app.filtered");
        s->extra[FILTERED] = s->extra[KEPT];
        s->extra[KEPT] = filtered;
        break;
    }
    dictionary(s);
    ck_assert_int_eq(gtid_set_add(&s->executed, p->server[t->server].uuid, "", t->number, t->number), ERR_OK);
    s->applied++;
}

static bool has_files(const struct pair_server *s)
{
    return s->source.file_count + FILES_SPARE < STREAM_SIM_FILES_MAX;
}

/* It comes back: what was begun never happened, its GTID is used again. */
static void crash_over(struct pair_server *s)
{
    if (s->is_crashing) binlog_maker_file(&s->maker, false);
    s->is_crashing = false;
}

void pair_rotate(struct pair *p, uint32_t server, bool orderly)
{
    struct pair_server *s = &p->server[server];
    if (!has_files(s)) return;
    crash_over(s);
    if (orderly) {
        binlog_maker_file(&s->maker, true);
        return;
    }
    bool is_replica = s->applied < p->past_count; /* of which it crashes in the middle */
    struct past lost = {.server = (uint8_t)p->primary, .number = p->numbers[p->primary] + 1};
    if (is_replica) lost = p->past[s->applied];
    if (!is_replica && server != p->primary) return;
    lost.row_count = 0;
    lost.first_row = p->row_count;
    for (uint64_t i = 1 + random_below(&p->random, 60); i > 0 && p->row_count < PAIR_ROWS_MAX; i--)
        p->row[lost.first_row + lost.row_count++] = (struct past_row){KEPT, s->extra[KEPT], 1, 500};
    gtid(p, s, &lost);
    rows(p, s, &lost);
    s->is_crashing = true;
}

void pair_replicate(struct pair *p, uint32_t server, uint32_t count)
{
    struct pair_server *s = &p->server[server];
    for (; count > 0 && s->applied < p->past_count; count--) {
        crash_over(s);
        apply(p, s, &p->past[s->applied]);
    }
}

/* --- the past --- */

static void rows_draw(struct pair *p, struct past *t)
{
    struct random *r = &p->random;
    const struct pair_server *s = &p->server[p->primary];
    bool only_filtered = random_below(r, 3) == 0, is_large = random_below(r, 30) == 0;
    uint64_t count = is_large ? 40 + random_below(r, 100) : 1 + random_below(r, 4);
    for (; count > 0 && p->row_count < PAIR_ROWS_MAX; count--) {
        uint8_t table = only_filtered ? FILTERED : (uint8_t)random_below(r, PAIR_TABLES);
        p->row[p->row_count++] = (struct past_row){table, s->extra[table], p->row_count,
                                                   is_large ? 500 : (uint32_t)random_below(r, 60)};
        t->row_count++;
    }
}

void pair_write_kind(struct pair *p, enum past_kind kind, uint8_t table)
{
    struct pair_server *s = &p->server[p->primary];
    if (p->past_count == PAIR_PAST_MAX || p->row_count + 200 > PAIR_ROWS_MAX) return;
    if (kind == PAST_ADD && s->extra[table] == PAIR_EXTRA_MAX) kind = PAST_DROP;
    if (kind == PAST_DROP && s->extra[table] == 0) kind = PAST_ADD;
    crash_over(s);
    struct past *t = &p->past[p->past_count++];
    *t = (struct past){.kind = kind, .server = (uint8_t)p->primary, .table = table, .first_row = p->row_count,
                       .number = ++p->numbers[p->primary]};
    if (kind == PAST_ROWS) rows_draw(p, t);
    ck_assert_uint_eq(s->applied + 1, p->past_count);
    apply(p, s, t);
}

void pair_write(struct pair *p)
{
    uint64_t what = random_below(&p->random, 40);
    pair_write_kind(p, what < 3 ? PAST_ADD : what < 5 ? PAST_DROP : what == 5 ? PAST_SWAP : PAST_ROWS,
                    (uint8_t)random_below(&p->random, PAIR_TABLES));
}

/* --- capture --- */

void pair_init(struct pair *p, uint64_t seed, bool has_hosts)
{
    static const char *const include[] = {"app.kept", "app.other", NULL};
    char why[256];
    *p = (struct pair){.seed = seed, .has_hosts = has_hosts, .standby = {"second", 1}};
    random_init(&p->random, seed);
    world_init(&p->w, seed);
    for (uint32_t i = 0; i < 2; i++) server_init(p, i);
    world_keep(&p->w);
    p->w.config.include = include;
    p->w.config.ddl_instance = seed % 2 == 0;
    p->w.config.heartbeat_ms = 1000;
    if (has_hosts) {
        p->w.config.standby = &p->standby;
        p->w.config.standby_count = 1;
    }
    p->decoder = stream_decoder_open(RECORD_SCHEMA, why, sizeof why);
    ck_assert_msg(p->decoder != NULL, "%s", why);
}

void pair_fini(struct pair *p)
{
    world_fini(&p->w);
    for (uint32_t i = 0; i < 2; i++) {
        gtid_set_free(&p->server[i].executed);
        stream_sim_source_fini(&p->server[i].source);
    }
    stream_decoder_close(p->decoder);
}

static void storage_works(void *context)
{
    fake_storage_step(context);
}

void pair_capture(struct pair *p)
{
    struct world *w = &p->w;
    struct err_msg msg = {0};
    ck_assert_int_eq(stream_sim_open(&p->stream, &p->server[p->vip].source), ERR_OK);
    ck_assert_msg(capture_open_simulated(&w->capture, &w->config, &w->storage.feed, &w->storage.resume,
                                         &w->clock.clock, w->counters, p->stream,
                                         storage_works, &w->storage, &msg) == ERR_OK,
                  "seed %llu: %s", (unsigned long long)p->seed, msg.text);
}

void pair_restart(struct pair *p)
{
    world_leave(&p->w);
    pair_capture(p);
    p->restarts++;
}

bool pair_turn(struct pair *p, struct capture_status *status)
{
    struct world *w = &p->w;
    stream_sim_route(p->stream, &p->server[p->has_hosts ? capture_host(w->capture) : p->vip].source);
    capture_step(w->capture);
    fake_storage_step(&w->storage);
    w->clock.now_ns += TURN_NS;
    capture_status(w->capture, status);
    if (status->server_uuid[0] != '\0' && strcmp(status->server_uuid, p->at_uuid) != 0) {
        p->passings += p->at_uuid[0] != '\0';
        memcpy(p->at_uuid, status->server_uuid, sizeof p->at_uuid);
    }
    if (status->state != CAPTURE_ENDED) return true;
    if (!status->wants_reattach) return false;
    pair_restart(p);
    p->cuts++;
    return true;
}

bool pair_run(struct pair *p, unsigned turns, struct capture_status *status)
{
    unsigned idle = 0;
    for (uint64_t before; turns > 0 && idle < IDLE_TURNS; turns--) {
        before = status->row_changes + status->transactions;
        if (!pair_turn(p, status)) return false;
        bool moves = status->state != CAPTURE_AT_TAIL || before != status->row_changes + status->transactions;
        idle = moves ? 0 : idle + 1;
    }
    return true;
}

void pair_break(struct pair *p)
{
    p->stream->ops->disconnect(p->stream);
}

/* --- what must have come --- */

#define FAULT(...)                                                                                                     \
    do {                                                                                                               \
        char words[700];                                                                                               \
        snprintf(words, sizeof words, __VA_ARGS__);                                                                    \
        ck_abort_msg("seed %llu, record %llu: %s", (unsigned long long)p->seed, (unsigned long long)at, words);        \
    } while (0)

/* The next record that is no HEARTBEAT must be of this kind; false: there is none. */
static void next(struct pair *p, uint64_t *record, enum stream_operation operation, struct stream_record *out)
{
    const struct fake_storage *s = &p->w.storage;
    char why[256];
    for (;; ++*record) {
        uint64_t at = *record;
        if (at == s->record_count) FAULT("the log ends before the past does: operation %d is missing", operation);
        if (!stream_decode(p->decoder, s->record[at].value, s->record[at].value_bytes, out, why, sizeof why))
            FAULT("%s", why);
        if (out->operation == STREAM_HEARTBEAT) continue;
        if (out->operation != operation) FAULT("operation %d instead of %d", out->operation, operation);
        ++*record;
        return;
    }
}

static void check_row(struct pair *p, uint64_t at, const struct past_row *r, const struct stream_record *got)
{
    char object[64], number[16];
    struct row_bytes expected = {0};
    uint8_t text[1024];
    snprintf(object, sizeof object, "app.%s", pair_tables[r->table]);
    for (uint32_t k = 0; k < r->text_bytes; k++) text[k] = (uint8_t)('a' + (r->id + k) % 26);
    row_add(&expected, number, (size_t)snprintf(number, sizeof number, "%u", r->id));
    row_add(&expected, text, r->text_bytes);
    for (uint32_t i = 0; i < r->extra; i++)
        row_add(&expected, number, (size_t)snprintf(number, sizeof number, "%u", r->id + 1 + i));
    if (strcmp(got->object, object) != 0) FAULT("a row of %s, not %s", got->object, object);
    if (got->after.size != expected.size || memcmp(got->after.bytes, expected.bytes, expected.size) != 0)
        FAULT("instead of row %u of %s with %u columns row %.*s with %u", r->id, object, expected.column_count,
              (int)got->after.first_size - 4, (const char *)got->after.bytes + 4, got->after.column_count);
    row_free(&expected);
}

static void check_transaction(struct pair *p, const struct past *t, uint64_t *record, struct stream_record *got)
{
    bool began = false;
    for (uint32_t i = 0; i < t->row_count; i++) {
        const struct past_row *r = &p->row[t->first_row + i];
        if (r->table == FILTERED) continue;
        if (!began) next(p, record, STREAM_BEGIN, got);
        began = true;
        next(p, record, STREAM_INSERT, got);
        check_row(p, *record - 1, r, got);
    }
    if (began) next(p, record, STREAM_COMMIT, got);
}

void pair_check(struct pair *p)
{
    struct stream_record got = {0};
    uint64_t at = 0;
    char why[256];
    for (uint32_t i = 0; i < p->past_count; i++) {
        const struct past *t = &p->past[i];
        bool is_told = p->w.config.ddl_instance || t->kind == PAST_SWAP || t->table != FILTERED;
        if (t->kind == PAST_ROWS)
            check_transaction(p, t, &at, &got);
        else if (is_told)
            next(p, &at, STREAM_DDL, &got);
    }
    for (; at < p->w.storage.record_count; at++) {
        const struct fake_record *r = &p->w.storage.record[at];
        if (!stream_decode(p->decoder, r->value, r->value_bytes, &got, why, sizeof why)) FAULT("%s", why);
        if (got.operation != STREAM_HEARTBEAT) FAULT("operation %d behind the past's end", got.operation);
    }
    row_free(&got.before);
    row_free(&got.after);
}

uint64_t pair_heartbeats(struct pair *p)
{
    uint64_t count = 0, at = 0;
    struct stream_record got = {0};
    char why[256];
    for (; at < p->w.storage.record_count; at++) {
        const struct fake_record *r = &p->w.storage.record[at];
        if (!stream_decode(p->decoder, r->value, r->value_bytes, &got, why, sizeof why)) FAULT("%s", why);
        count += got.operation == STREAM_HEARTBEAT;
    }
    row_free(&got.before);
    row_free(&got.after);
    return count;
}
