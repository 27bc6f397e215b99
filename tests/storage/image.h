/* tests/storage/image.h -- a small log's folder as it lay there when its process died, to be damaged in every way.
 *
 * Four segments: two sealed, one with the recovery point in its middle, one behind it.  One image at a time. */
#ifndef TESTS_STORAGE_IMAGE_H
#define TESTS_STORAGE_IMAGE_H

#include "storage/log_files.h"
#include "tests/storage/rig.h"

enum { IMAGE_SEGMENTS = 4, IMAGE_POINT = 2 /* the segment with the point */, IMAGE_ENDS_MAX = 100 };
#define IMAGE_FOLDER "data/orders/0"

struct image_file {
    char     path[200];
    uint8_t *bytes;
    size_t   size;
};

struct image {
    struct image_file file[60];
    int      file_count;
    uint64_t base[IMAGE_SEGMENTS + 1]; /* of the segments, and the offset behind the last */
    uint64_t bytes[IMAGE_SEGMENTS];    /* that the segments hold */
    uint64_t point_offset, point_position;
    struct { uint64_t segment, position, offset; } end[IMAGE_ENDS_MAX]; /* transaction ends */
    int      end_count;
    int64_t  time_ms[500]; /* of each record: out of order */
};

void image_make(struct image *m);
void image_free(struct image *m);
struct image_file *image_find(struct image *m, uint64_t base, enum segment_file which);
struct image_file *image_named(struct image *m, const char *path);

/* A disk with those files. */
struct disk *image_disk(const struct image *m);
/* Makes a file hold just this. */
void image_put(struct disk *d, const char *path, const void *bytes, size_t size);

/* The store over such a disk, and the log opened: as rig_try_power and rig_try_open say.  rig_off ends it either way,
 * the disk with it. */
NODISCARD enum err image_open(struct rig *g, struct disk *d, struct err_msg *msg);
void               image_off(struct rig *g);
/* The error of opening; fails unless its sentence names the file (or whatever `word` is) and says what to do. */
void image_refused(struct disk *d, enum err expected, const char *word);
/* Reads from the log start to the end; each record must be what was written.  The error met, or ERR_OK. */
NODISCARD enum err image_read(struct rig *g);
/* Looks for every time, and compares with a walk over the records' times below `end`. */
NODISCARD enum err image_search(struct rig *g, const struct image *m, uint64_t end);
/* Offset behind the last whole transaction that ends at or before a place; not below the recovery point. */
uint64_t image_whole_before(const struct image *m, uint64_t segment, uint64_t position);

#endif
