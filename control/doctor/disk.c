/* The data folder: its file system, its room and the device below. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/doctor/inside.h"

enum { SEGMENTS_PER_CHANNEL = 3, FREE_PERCENT_MIN = 10 }; /* segments: written, prepared, kept */

static void check_room(struct doctor *d, const struct doctor_folder *f)
{
    const struct config *c = d->config;
    uint64_t wanted = ((uint64_t)c->channels_max * SEGMENTS_PER_CHANNEL + 1) * (uint64_t)c->segment_bytes;
    if (f->free_bytes < wanted) {
        found(d, "disk space", DOCTOR_WRONG, "%s has %" PRIu64 " MiB free; %" PRId64 " channels begin with segments of "
              "%" PRIu64 " MiB in all", f->seen, f->free_bytes >> 20, c->channels_max, wanted >> 20);
        mended(d, "make room (du -xh %s | sort -h | tail), or lower segment_bytes or channels_max", f->seen);
    } else if (f->free_bytes < f->total_bytes / 100 * FREE_PERCENT_MIN) {
        found(d, "disk space", DOCTOR_ADVICE, "%s has %" PRIu64 " GiB free of %" PRIu64 ": less than a tenth", f->seen,
              f->free_bytes >> 30, f->total_bytes >> 30);
        mended(d, "make room (du -xh %s | sort -h | tail), or set retention_bytes, which bounds each log", f->seen);
    } else {
        found(d, "disk space", DOCTOR_GOOD, "%" PRIu64 " GiB free of %" PRIu64 " at %s", f->free_bytes >> 30,
              f->total_bytes >> 30, f->seen);
    }
}

static void check_file_system(struct doctor *d, const struct doctor_folder *f)
{
    static const char mend[] = "a data_folder on a local disk with ext4 or XFS";
    if (f->is_memory) {
        found(d, "file system", DOCTOR_WRONG, "%s lies in memory: what is durable there is gone with the power",
              f->seen);
        mended(d, mend);
    } else if (f->is_remote) {
        found(d, "file system", DOCTOR_ADVICE, "%s lies on another machine: each flush waits for the network", f->seen);
        mended(d, mend);
    } else if (!f->is_writable) {
        found(d, "file system", DOCTOR_WRONG, "whoever runs this may not make files in %s", f->seen);
        mended(d, "install -d -o millrace -g millrace -m 700 %s, and run millraced as that user",
               d->config->data_folder);
    } else if (!f->is_direct) {
        found(d, "file system", DOCTOR_ADVICE, "%s takes no O_DIRECT: writing goes through the page cache, slower",
              f->seen);
        mended(d, mend);
    } else {
        found(d, "file system", DOCTOR_GOOD, "%s takes O_DIRECT", f->seen);
    }
}

/* "[mq-deadline] none" -> mq-deadline */
static void chosen_of(char *text)
{
    char *open = strchr(text, '['), *close = open == NULL ? NULL : strchr(open, ']');
    if (close == NULL) return;
    *close = '\0';
    memmove(text, open + 1, strlen(open + 1) + 1);
}

static void check_block_device(struct doctor *d, const struct doctor_folder *f)
{
    char scheduler[128], name[64], queue[64];
    snprintf(queue, sizeof queue, "/sys/dev/block/%u:%u/queue", f->major, f->minor);
    if (!file_exists(d, "%s", queue)) /* a partition: its disk has the queue */
        snprintf(queue, sizeof queue, "/sys/dev/block/%u:%u/../queue", f->major, f->minor);
    if (!file_line(d, scheduler, sizeof scheduler, "%s/scheduler", queue) ||
        !link_end(d, name, sizeof name, "/sys/dev/block/%u:%u", f->major, f->minor)) {
        found(d, "disk scheduler", DOCTOR_UNSEEN, "the device of %s shows none", f->seen);
        return;
    }
    chosen_of(scheduler);
    bool is_plain = strcmp(scheduler, "none") == 0 || strcmp(scheduler, "mq-deadline") == 0;
    found(d, "disk scheduler", is_plain ? DOCTOR_GOOD : DOCTOR_ADVICE, "%s at %s%s", scheduler, name,
          is_plain ? "" : ": it holds flushes back to be fair to others");
    if (!is_plain) mended(d, "echo mq-deadline > %s/scheduler (none, of NVMe)", queue);
    if (file_number(d, 0, "%s/rotational", queue) != 1) return;
    found(d, "disk", DOCTOR_ADVICE, "%s says that it rotates: a record is visible when it is flushed, which takes "
          "such a disk 10 ms", name);
    mended(d, "data_folder on a solid-state disk; where it is one (virtual disks often do not know): "
           "echo 0 > %s/rotational", queue);
}

void check_disk(struct doctor *d)
{
    struct doctor_folder f;
    if (d->calls == NULL) {
        found(d, "file system", DOCTOR_UNSEEN, "data_folder is looked at on its own machine only");
        return;
    }
    d->calls->folder(d->config->data_folder, &f);
    if (f.why != 0) {
        found(d, "file system", DOCTOR_WRONG, "data_folder %.200s: %s", d->config->data_folder, strerror(f.why));
        mended(d, "install -d -o millrace -g millrace -m 700 %.200s", d->config->data_folder);
        return;
    }
    check_file_system(d, &f);
    check_room(d, &f);
    if (f.major != 0) check_block_device(d, &f);
}
