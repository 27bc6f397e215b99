#include "tests/storage/image.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

/* ---- making it ---- */

struct keeping {
    struct image *image;
    struct disk  *disk;
    const char   *folder;
};

static void keep_file(struct image *m, struct disk *d, const char *path)
{
    struct disk_stat st;
    ck_assert_int_lt(m->file_count, (int)(sizeof m->file / sizeof m->file[0]));
    struct image_file *f = &m->file[m->file_count++];
    snprintf(f->path, sizeof f->path, "%s", path);
    ck_assert_int_eq(disk_stat(d, path, &st), 0);
    f->size = st.bytes;
    f->bytes = malloc(f->size + 1);
    int file = disk_open(d, path, 0);
    ck_assert_int_eq(disk_read(d, file, f->bytes, f->size, 0), (int64_t)f->size);
    disk_close(d, file);
}

static int keep(void *context, const char *name)
{
    const struct keeping *k = context;
    struct disk_stat st;
    char path[200];
    snprintf(path, sizeof path, "%s/%s", k->folder, name);
    ck_assert_int_eq(disk_stat(k->disk, path, &st), 0);
    if (st.is_folder || strcmp(name, "lock") == 0 || strstr(name, ".prepared") != NULL) return 0;
    keep_file(k->image, k->disk, path);
    return 0;
}

static void config(struct rig *g)
{
    rig_init(g, 4);
    g->config.chunk_bytes = 8192;
    g->config.chunk_count = 48;
    g->config.segment_bytes = 8192;
    g->config.index_interval_bytes = 300;
}

static void send(struct rig *g, struct image *m, struct random *r, uint64_t segment, bool ends)
{
    uint64_t first = g->producer.next_offset;
    int64_t t = 1000 + (int64_t)first + (int64_t)random_below(r, 15); /* out of order, and rising */
    rig_send(g, 1 + (uint32_t)random_below(r, 3), 24, ends, t);
    rig_settle(g);
    for (uint64_t o = first; o < g->producer.next_offset; o++) m->time_ms[o] = t;
    m->bytes[segment] = g->producer.segment_position;
    if (!ends) return;
    m->end[m->end_count].segment = segment;
    m->end[m->end_count].position = g->producer.segment_position;
    m->end[m->end_count++].offset = g->producer.next_offset;
}

/* The checkpoint as it was at the point: what came later might not have reached the disk. */
static void take_point(struct rig *g, struct image *m, struct image_file *checkpoint)
{
    static struct image taken;
    taken.file_count = 0;
    clock_simulated_advance(&g->clock, 100000000000u); /* one comes by age */
    rig_settle(g);
    m->point_offset = g->producer.next_offset;
    m->point_position = g->producer.segment_position;
    keep_file(&taken, g->disk, IMAGE_FOLDER "/checkpoint");
    *checkpoint = taken.file[0];
}

void image_make(struct image *m)
{
    struct rig g;
    struct random r;
    struct image_file checkpoint = {.bytes = NULL};
    memset(m, 0, sizeof *m);
    random_init(&r, 3);
    config(&g);
    rig_power(&g, 0);
    rig_open(&g, true);
    for (uint64_t segment = 0; segment < IMAGE_SEGMENTS; segment++) {
        m->base[segment] = g.producer.next_offset;
        g.producer.roll_next = segment > 0;
        for (int i = 0; i < 10; i++) {
            /* A transaction goes over from segment 1 to 2, one is open at the end. */
            bool ends = i % 4 != 2 && !(segment == 1 && i == 9) && !(segment == 3 && i > 7);
            send(&g, m, &r, segment, ends);
            if (segment == IMAGE_POINT && i == 5) take_point(&g, m, &checkpoint);
        }
    }
    m->base[IMAGE_SEGMENTS] = m->end[m->end_count - 1].offset;
    rig_abandon(&g);
    ck_assert_int_eq(disk_list(g.disk, "data", keep, &(struct keeping){m, g.disk, "data"}), 0);
    ck_assert_int_eq(disk_list(g.disk, "data/orders", keep, &(struct keeping){m, g.disk, "data/orders"}), 0);
    ck_assert_int_eq(disk_list(g.disk, IMAGE_FOLDER, keep, &(struct keeping){m, g.disk, IMAGE_FOLDER}), 0);
    rig_end(&g);
    struct image_file *last = image_named(m, IMAGE_FOLDER "/checkpoint");
    free(last->bytes);
    *last = checkpoint;
}

void image_free(struct image *m)
{
    for (int i = 0; i < m->file_count; i++) free(m->file[i].bytes);
    m->file_count = 0;
}

struct image_file *image_named(struct image *m, const char *path)
{
    for (int i = 0; i < m->file_count; i++)
        if (strcmp(m->file[i].path, path) == 0) return &m->file[i];
    ck_abort_msg("no %s in the image", path);
    return NULL;
}

struct image_file *image_find(struct image *m, uint64_t base, enum segment_file which)
{
    char path[LOG_PATH_BYTES];
    segment_path(path, IMAGE_FOLDER, base, which);
    return image_named(m, path);
}

/* ---- using it ---- */

void image_put(struct disk *d, const char *path, const void *bytes, size_t size)
{
    int file = disk_open(d, path, DISK_WRITE | DISK_CREATE);
    ck_assert_int_ge(file, 0);
    if (size > 0) ck_assert_int_eq(disk_write(d, file, bytes, size, 0), (int64_t)size);
    ck_assert_int_eq(disk_truncate(d, file, size), 0);
    disk_close(d, file);
}

struct disk *image_disk(const struct image *m)
{
    struct disk *d;
    ck_assert_int_eq(disk_sim_create(&d, 1), ERR_OK);
    ck_assert_int_eq(disk_make_folder(d, "data"), 0);
    ck_assert_int_eq(disk_make_folder(d, "data/orders"), 0);
    ck_assert_int_eq(disk_make_folder(d, IMAGE_FOLDER), 0);
    for (int i = 0; i < m->file_count; i++) image_put(d, m->file[i].path, m->file[i].bytes, m->file[i].size);
    return d;
}

enum err image_open(struct rig *g, struct disk *d, struct err_msg *msg)
{
    config(g);
    disk_destroy(g->disk);
    g->disk = d;
    TRY(rig_try_power(g, msg));
    return rig_try_open(g, false, msg);
}

void image_off(struct rig *g)
{
    if (g->reader != NULL) rig_abandon(g);
    else counters_close(g->counters);
    rig_end(g);
}

void image_refused(struct disk *d, enum err expected, const char *word)
{
    static const char *const advice[] = {"restore", "move it away", "move away", "start that one", "millrace log"};
    struct rig g;
    struct err_msg msg = {.text = ""};
    bool advises = false;
    enum err e = image_open(&g, d, &msg);
    ck_assert_msg(e == expected, "%s: %s", err_text(e), msg.text);
    ck_assert_msg(strstr(msg.text, word) != NULL, "\"%s\" does not name %s", msg.text, word);
    for (size_t i = 0; i < sizeof advice / sizeof advice[0]; i++)
        advises |= strstr(err_what_to_do(&msg), advice[i]) != NULL;
    ck_assert_msg(advises, "\"%s\" does not say what to do", msg.text);
    image_off(&g);
}

enum err image_read(struct rig *g)
{
    struct log_cursor cursor = {{0}};
    struct log_slice slice;
    uint64_t offset = log_start_offset(g->log);
    while (offset < log_high_watermark(g->log)) {
        enum err e = rig_read(g, offset, 1000, true, &cursor, &slice);
        if (e != ERR_OK) return e;
        slice_check(&slice, offset, g->seed);
        offset = slice.next_offset;
        rig_release(g, &slice);
    }
    return ERR_OK;
}

enum err image_search(struct rig *g, const struct image *m, uint64_t end)
{
    for (int64_t t = 996; t < 1110; t += 3) {
        uint64_t expected = 0, found = 0;
        int64_t found_ms;
        enum err e;
        while (expected < end && m->time_ms[expected] < t) expected++;
        while ((e = log_reader_find_time(g->reader, g->log, t, &found, &found_ms)) == ERR_AGAIN)
            (void)log_reader_poll(g->reader);
        if (e == ERR_CORRUPT) return e;
        ck_assert_int_eq(e, expected == end ? ERR_NOT_FOUND : ERR_OK);
        if (e != ERR_OK) continue;
        ck_assert_uint_eq(found, expected);
        ck_assert_int_eq(found_ms, m->time_ms[expected]);
    }
    return ERR_OK;
}

uint64_t image_whole_before(const struct image *m, uint64_t segment, uint64_t position)
{
    uint64_t offset = m->point_offset;
    for (int i = 0; i < m->end_count; i++)
        if (m->end[i].segment < segment || (m->end[i].segment == segment && m->end[i].position <= position))
            offset = m->end[i].offset > offset ? m->end[i].offset : offset;
    return offset;
}
