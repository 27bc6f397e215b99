/* The helper: what would make the storage thread wait.  Jobs are done one after the other, in order. */
#include "storage/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/invariant.h"

void job_send(struct storage *s, const struct job *j)
{
    struct job *to = ring_spsc_claim(&s->jobs, sizeof *to);
    INVARIANT(to != NULL); /* sized for every job that can be under way */
    memcpy(to, j, sizeof *to);
    j->log->writer.jobs++;
    ring_spsc_commit(&s->jobs);
    if (!s->is_simulated) waiter_wake(&s->helper_waiter);
}

static enum err failed(struct err_msg *msg, int rc, const char *what, const char *path)
{
    return err_set(msg, disk_error(rc), "cannot %s %s: %s", what, path, disk_error_text(rc));
}

static enum err job_prepare(struct storage *s, struct job *j)
{
    char path[LOG_PATH_BYTES];
    prepared_path(path, j->log->folder, j->number);
    j->file = disk_open(s->disk, path, DISK_WRITE | DISK_CREATE | DISK_DIRECT);
    if (j->file < 0) return failed(&j->error, j->file, "create", path);
    int rc = disk_allocate(s->disk, j->file, j->position);
    if (rc == 0) return ERR_OK;
    disk_close(s->disk, j->file);
    (void)disk_unlink(s->disk, path);
    return failed(&j->error, rc, "reserve space for", path);
}

static enum err job_promote(struct storage *s, struct job *j)
{
    char from[LOG_PATH_BYTES], to[LOG_PATH_BYTES];
    prepared_path(from, j->log->folder, j->number);
    segment_path(to, j->log->folder, j->segment_base, SEGMENT_LOG);
    int rc = disk_rename(s->disk, from, to);
    if (rc == 0) rc = disk_sync_folder(s->disk, j->log->folder);
    return rc == 0 ? ERR_OK : failed(&j->error, rc, "name", to);
}

static enum err job_seal(struct storage *s, struct job *j)
{
    char path[LOG_PATH_BYTES];
    segment_path(path, j->log->folder, j->segment_base, SEGMENT_LOG);
    int rc = disk_truncate(s->disk, j->file, j->position);
    if (rc == 0) rc = disk_sync(s->disk, j->file);
    disk_close(s->disk, j->file);
    if (rc != 0) return failed(&j->error, rc, "seal", path);
    TRY(index_write(s->disk, j->log->folder, j->set, j->segment_base, &j->mark, &j->end, NULL, &j->error));
    rc = disk_sync_folder(s->disk, j->log->folder);
    return rc == 0 ? ERR_OK : failed(&j->error, rc, "sync the folder", j->log->folder);
}

static enum err job_checkpoint(struct storage *s, struct job *j)
{
    if (j->set != NULL) {
        TRY(index_write(s->disk, j->log->folder, j->set, j->segment_base, &j->mark, NULL, &j->checkpoint.index,
                        &j->error));
        int rc = disk_sync_folder(s->disk, j->log->folder); /* the indexes' names */
        if (rc != 0) return failed(&j->error, rc, "sync the folder", j->log->folder);
    }
    return checkpoint_write(s->disk, j->log->folder, &j->checkpoint, &j->error);
}

static enum err job_remove(struct storage *s, struct job *j)
{
    TRY(job_checkpoint(s, j)); /* without it the files would be missed */
    for (uint32_t i = 0; i < j->remove_count; i++) {
        for (enum segment_file which = 0; which < SEGMENT_FILE_COUNT; which++) {
            char path[LOG_PATH_BYTES], spare[LOG_PATH_BYTES];
            bool recycles = which == SEGMENT_LOG && i + 1 == j->remove_count && j->number != 0;
            segment_path(path, j->log->folder, j->remove_base[i], which);
            prepared_path(spare, j->log->folder, j->number);
            int rc = recycles ? disk_rename(s->disk, path, spare) : disk_unlink(s->disk, path);
            if (rc != 0 && rc != -ENOENT) return failed(&j->error, rc, "remove", path);
        }
    }
    return ERR_OK;
}

static void job_run(struct storage *s, struct job *j)
{
    enum err e = ERR_OK;
    switch (j->kind) {
    case JOB_PREPARE: e = job_prepare(s, j); break;
    case JOB_PROMOTE: e = job_promote(s, j); break;
    case JOB_SEAL: e = job_seal(s, j); break;
    case JOB_CHECKPOINT: e = job_checkpoint(s, j); break;
    case JOB_REMOVE: e = job_remove(s, j); break;
    }
    j->error.code = e;
}

bool jobs_run(struct storage *s)
{
    uint32_t size;
    const struct job *j = ring_spsc_next(&s->jobs, &size);
    if (j == NULL) return false;
    for (; j != NULL; j = ring_spsc_next(&s->jobs, &size)) {
        struct job *to = ring_spsc_claim(&s->results, sizeof *to);
        INVARIANT(size == sizeof *j && to != NULL); /* as many results as jobs */
        memcpy(to, j, sizeof *to);
        job_run(s, to);
        ring_spsc_release(&s->jobs);
        ring_spsc_commit(&s->results);
        if (!s->is_simulated) waiter_wake(&s->waiter);
    }
    return true;
}

void *helper_thread(void *storage)
{
    struct storage *s = storage;
    for (;;) {
        if (jobs_run(s)) continue;
        bool stop = atomic_load_explicit(&s->helper_stop, memory_order_acquire); /* pairs with storage_stop */
        waiter_announce(&s->helper_waiter);
        if (!jobs_run(s)) {
            if (stop) return NULL;
            waiter_block(&s->helper_waiter, -1);
        }
        waiter_cancel(&s->helper_waiter);
    }
}
