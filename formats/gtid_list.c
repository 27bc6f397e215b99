#include "formats/gtid_list.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS_BYTES = 48 };

static enum err append(struct gtid_list *l, const void *bytes, size_t size)
{
    if (l->capacity - l->size <= size) {
        size_t capacity = 2 * l->capacity + size + 64;
        char *bigger = realloc(l->text, capacity);
        if (bigger == NULL) return ERR_NO_MEMORY;
        l->text = bigger;
        l->capacity = capacity;
    }
    if (size > 0) memcpy(l->text + l->size, bytes, size);
    l->size += size;
    l->text[l->size] = '\0';
    return ERR_OK;
}

enum err gtid_list_begin(struct gtid_list *l, const void *set, size_t bytes)
{
    l->size = l->numbers = 0;
    return append(l, set, bytes);
}

/* MySQL's numbers are an interval; of MariaDB's the newest stands for all. */
static enum err numbers_append(struct gtid_list *l)
{
    char numbers[NUMBERS_BYTES];
    l->size = l->numbers;
    bool is_interval = l->text[l->numbers - 1] == ':' && l->first < l->last;
    int n = is_interval ? snprintf(numbers, sizeof numbers, "%" PRIu64 "-%" PRIu64, l->first, l->last)
                        : snprintf(numbers, sizeof numbers, "%" PRIu64, l->last);
    return append(l, numbers, (size_t)n);
}

enum err gtid_list_add(struct gtid_list *l, const char *gtid)
{
    size_t prefix = strlen(gtid);
    while (prefix > 0 && gtid[prefix - 1] >= '0' && gtid[prefix - 1] <= '9') prefix--;
    if (prefix == 0 || gtid[prefix] == '\0') return ERR_OK;
    uint64_t number = strtoull(gtid + prefix, NULL, 10);
    bool is_alike =
        l->numbers > 0 && l->numbers - l->newest == prefix && memcmp(l->text + l->newest, gtid, prefix) == 0;
    if (is_alike && (gtid[prefix - 1] == '-' || number == l->last + 1)) {
        l->last = number;
        return numbers_append(l);
    }
    if (l->size > 0) TRY(append(l, ",", 1));
    l->newest = l->size;
    TRY(append(l, gtid, prefix));
    l->numbers = l->size;
    l->first = l->last = number;
    return numbers_append(l);
}
