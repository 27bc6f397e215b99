#include "capture/horizon.h"

#include <stdlib.h>
#include <string.h>

#include "capture/name_fold.h"

static void touches_free(struct horizon *h)
{
    for (uint32_t i = 0; i < h->touch_count; i++) free(h->touch[i].database);
    h->touch_count = 0;
}

void horizon_clear(struct horizon *h)
{
    touches_free(h);
    h->is_known = h->touches_all = false;
    h->dead_count = h->dead_next = 0;
}

void horizon_free(struct horizon *h)
{
    touches_free(h);
    free(h->touch);
    free(h->dead);
    *h = (struct horizon){0};
}

/* Where the name stands, or belongs. */
static uint32_t search(const struct horizon *h, const char *database, const char *table, bool *found)
{
    uint32_t low = 0, high = h->touch_count;
    *found = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = name_compare_folded(h->touch[middle].database, database);
        if (order == 0) order = name_compare_folded(h->touch[middle].table, table);
        if (order == 0) *found = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum err touch_add(struct horizon *h, uint32_t at, const struct source_place *place,
                          const struct statement_name *name, bool is_made)
{
    if (h->touch_count == h->touch_capacity) {
        uint32_t wanted = h->touch_capacity == 0 ? 16 : h->touch_capacity * 2;
        struct horizon_touch *bigger = realloc(h->touch, wanted * sizeof *bigger);
        if (bigger == NULL) return ERR_NO_MEMORY;
        h->touch = bigger;
        h->touch_capacity = wanted;
    }
    size_t database_bytes = strlen(name->database) + 1, table_bytes = strlen(name->table) + 1;
    char *names = malloc(database_bytes + table_bytes);
    if (names == NULL) return ERR_NO_MEMORY;
    memcpy(names, name->database, database_bytes);
    memcpy(names + database_bytes, name->table, table_bytes);
    memmove(h->touch + at + 1, h->touch + at, (h->touch_count - at) * sizeof *h->touch);
    h->touch[at] = (struct horizon_touch){*place, names, names + database_bytes, is_made};
    h->touch_count++;
    return ERR_OK;
}

enum err horizon_note(struct horizon *h, const struct source_place *place, const struct statement *st)
{
    if (st->kind != STATEMENT_TABLE) return ERR_OK;
    if (st->touches == STATEMENT_TOUCHES_UNKNOWN) {
        h->touches_all = true;
        h->all_place = *place;
        return ERR_OK;
    }
    for (uint32_t i = 0; i < st->name_count; i++) {
        bool found;
        uint32_t at = search(h, st->name[i].database, st->name[i].table, &found);
        if (found)
            h->touch[at].place = *place;
        else
            TRY(touch_add(h, at, place, &st->name[i], st->makes && i == 0));
    }
    return ERR_OK;
}

const struct source_place *horizon_last(const struct horizon *h, const char *database, const char *table)
{
    const struct source_place *last = h->touches_all ? &h->all_place : NULL;
    const char *const name[] = {table, ""};
    for (unsigned i = 0; i < 2; i++) {
        bool found;
        uint32_t at = search(h, database, name[i], &found);
        if (found && (last == NULL || source_place_compare(last, &h->touch[at].place) < 0)) last = &h->touch[at].place;
    }
    return last;
}

enum err horizon_note_dead(struct horizon *h, const struct source_place *start)
{
    if (h->dead_count == HORIZON_DEAD_MAX) return ERR_OK;
    if (h->dead_count == h->dead_capacity) {
        uint32_t wanted = h->dead_capacity == 0 ? 16 : h->dead_capacity * 2;
        struct source_place *bigger = realloc(h->dead, wanted * sizeof *bigger);
        if (bigger == NULL) return ERR_NO_MEMORY;
        h->dead = bigger;
        h->dead_capacity = wanted;
    }
    h->dead[h->dead_count++] = *start;
    return ERR_OK;
}

bool horizon_is_dead(struct horizon *h, const struct source_place *start)
{
    while (h->dead_next < h->dead_count) {
        int order = source_place_compare(&h->dead[h->dead_next], start);
        if (order >= 0) return order == 0;
        h->dead_next++;
    }
    return false;
}
