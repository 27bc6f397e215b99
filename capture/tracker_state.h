/* capture/tracker_state.h -- the inside of a tracker: for tracker.c and tracker_journal.c only. */
#ifndef CAPTURE_TRACKER_STATE_H
#define CAPTURE_TRACKER_STATE_H

#include "capture/tracker.h"
#include "capture/tracker_file.h"

struct tracker_seen { /* what the source told once; lives while something of it is parked */
    struct catalog *catalog;
    uint32_t uses;
};

struct tracker_gap {       /* something that is not known */
    char *database, *table; /* "": all of them; owned */
    char *why;
    bool is_lost;   /* the source was asked */
    bool is_parked; /* it is known from `until` on: what `seen` has, NULL: no such table */
    struct source_place until;
    struct tracker_seen *seen;
};

struct tracker {
    struct catalog *catalog;
    struct source_place at; /* of the last statement; file "": none yet */
    struct tracker_gap *gap;
    uint32_t gap_count, gap_capacity;
    uint32_t parked_count;
    char *objects;
    struct tracker_file file;
    struct statement *statement; /* scratch, for statements that are read back */
};

bool tracker_same_name(const struct tracker *t, const char *a, const char *b);

/* Makes a gap, or finds the one of that name; its definition leaves the catalog. */
NODISCARD enum err tracker_gap_make(struct tracker *t, const char *database, const char *table, const char *why,
                                    struct tracker_gap **out);
/* The gap is parked until a place; `seen` has the definition (one more use of it), or the table is not there then. */
void tracker_gap_park(struct tracker *t, struct tracker_gap *g, const struct source_place *until,
                      struct tracker_seen *seen);
void tracker_gap_drop(struct tracker *t, uint32_t index);
/* Everything unknown, nothing in the catalog. */
/* Another server: where what was seen becomes true is a place of the former one. */
void tracker_unpark(struct tracker *t);
/* Applies without a journal: shared by the stream and by what is read back. */
NODISCARD enum err tracker_follow(struct tracker *t, const struct source_place *place,
                                  const struct catalog_context *context, const struct statement *st, const char *text,
                                  size_t text_bytes, struct tracker_move *move, struct err_msg *msg);
/* Reads the statements of catalog_write_table or catalog_write_database into `c`. */
NODISCARD enum err tracker_read_text(struct catalog *c, const char *text, size_t bytes, struct err_msg *msg);

/* --- tracker_journal.c --- */
void tracker_note_statement(struct tracker *t, const struct source_place *place, const char *gtid,
                            const struct catalog_context *context, const char *text, size_t text_bytes);
/* `table` NULL: it is not there. */
void tracker_note_table(struct tracker *t, const struct source_place *place, const char *database, const char *name,
                        const struct catalog_table *table);
void tracker_note_database(struct tracker *t, const struct source_place *place, uint32_t database);
/* A gap as it is. */
void tracker_note_gap(struct tracker *t, const struct source_place *place, const struct tracker_gap *g);
/* All gaps are to be told anew. */
void tracker_note_learned(struct tracker *t, const struct source_place *place);

void tracker_note_objects(struct tracker *t, const struct source_place *place);
void tracker_note_moved(struct tracker *t, const struct source_place *place, const char *uuid,
                        uint64_t next_offset);

#endif
