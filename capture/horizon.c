#include "capture/horizon.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void horizon_clear(struct horizon *h, const struct source_place *loaded)
{
    h->is_known = true;
    h->loaded = *loaded;
    h->entry_count = 0;
    h->dead_count = h->dead_next = 0;
}

void horizon_free(struct horizon *h)
{
    free(h->entry);
    free(h->dead);
    *h = (struct horizon){0};
}

static bool name_is_selected(const struct filter *filter, const struct statement_name *n)
{
    if (n->table[0] == '\0') return filter_selects_database(filter, n->database, strlen(n->database));
    return filter_selects(filter, n->database, strlen(n->database), n->table, strlen(n->table));
}

bool horizon_concerns(const struct filter *filter, const struct statement *st)
{
    if (st->kind != STATEMENT_TABLE) return false;
    if (st->touches == STATEMENT_TOUCHES_UNKNOWN) return true;
    for (uint32_t i = 0; i < st->name_count; i++) {
        if (name_is_selected(filter, &st->name[i])) return true;
    }
    return false;
}

static enum err entry_add(struct horizon *h, const struct source_place *place, const struct statement_name *name)
{
    if (h->entry_count == HORIZON_ENTRIES_MAX) { /* too many to tell apart: the last one stands for all that follow */
        struct horizon_entry *last = &h->entry[h->entry_count - 1];
        last->place = *place;
        last->is_all = true;
        return ERR_OK;
    }
    if (h->entry_count == h->entry_capacity) {
        uint32_t wanted = h->entry_capacity == 0 ? 16 : h->entry_capacity * 2;
        struct horizon_entry *bigger = realloc(h->entry, wanted * sizeof *bigger);
        if (bigger == NULL) return ERR_NO_MEMORY;
        h->entry = bigger;
        h->entry_capacity = wanted;
    }
    struct horizon_entry *e = &h->entry[h->entry_count++];
    *e = (struct horizon_entry){.place = *place, .is_all = name == NULL};
    if (name != NULL) e->name = *name;
    return ERR_OK;
}

enum err horizon_note(struct horizon *h, const struct source_place *place, const struct filter *filter,
                      const struct statement *st)
{
    if (!horizon_concerns(filter, st)) return ERR_OK;
    if (st->touches == STATEMENT_TOUCHES_UNKNOWN) return entry_add(h, place, NULL);
    for (uint32_t i = 0; i < st->name_count; i++) {
        if (name_is_selected(filter, &st->name[i])) TRY(entry_add(h, place, &st->name[i]));
    }
    return ERR_OK;
}

void horizon_pass(struct horizon *h, const struct source_place *place)
{
    uint32_t passed = 0;
    while (passed < h->entry_count && source_place_compare(&h->entry[passed].place, place) <= 0) passed++;
    if (passed == 0) return;
    h->entry_count -= passed;
    memmove(h->entry, h->entry + passed, h->entry_count * sizeof *h->entry);
}

const struct horizon_entry *horizon_find(const struct horizon *h, const char *database, const char *table)
{
    for (uint32_t i = 0; i < h->entry_count; i++) {
        const struct horizon_entry *e = &h->entry[i];
        if (e->is_all) return e;
        /* names that differ only in case may be the same table: the safe side */
        if (strcasecmp(e->name.database, database) != 0) continue;
        if (e->name.table[0] == '\0' || strcasecmp(e->name.table, table) == 0) return e;
    }
    return NULL;
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
