#include "tests/capture/rows_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

bool binlog_file_open(struct binlog_file *f, const char *path)
{
    *f = (struct binlog_file){.at = 4};
    FILE *in = fopen(path, "rb");
    if (in == NULL) return false;
    fseek(in, 0, SEEK_END);
    f->size = (size_t)ftell(in);
    rewind(in);
    f->bytes = malloc(f->size + 1);
    bool ok = fread(f->bytes, 1, f->size, in) == f->size && f->size >= 4 &&
              memcmp(f->bytes,
                     "\xfe"
                     "bin",
                     4) == 0;
    fclose(in);
    if (!ok) binlog_file_close(f);
    return ok;
}

void binlog_file_close(struct binlog_file *f)
{
    free(f->bytes);
    f->bytes = NULL;
}

bool binlog_file_next(struct binlog_file *f, struct binlog_file_event *e)
{
    if (f->size - f->at < 19) return false;
    const uint8_t *header = f->bytes + f->at;
    uint32_t size = le32(header + 9);
    if (size < 19 || size > f->size - f->at) return false;
    f->at += size;
    e->type = header[4];
    /* Since 5.6.1 a format description ends with the algorithm and room for a checksum, used or not. */
    if (e->type == EVENT_FORMAT_DESCRIPTION) f->has_checksum = size > 100 && header[size - 5] == 1;
    e->body = header + 19;
    e->size = size - 19 - (f->has_checksum ? 4 : 0);
    return true;
}

const char *binlog_file_query(const struct binlog_file_event *e, size_t *size)
{
    size_t skip = 13 + (size_t)(e->body[11] | e->body[12] << 8) + e->body[8] + 1;
    *size = e->size > skip ? e->size - skip : 0;
    return (const char *)e->body + skip;
}

static int print_datetime(char *out, size_t room, enum change_type type, const struct change_datetime *t)
{
    switch (type) {
    case CHANGE_DATE: return snprintf(out, room, "%04u-%02u-%02u", t->year, t->month, t->day);
    case CHANGE_TIME:
        return snprintf(out, room, "%s%02u:%02u:%02u", t->is_negative ? "-" : "", t->hour, t->minute, t->second);
    default:
        return snprintf(out, room, "%04u-%02u-%02u %02u:%02u:%02u", t->year, t->month, t->day, t->hour, t->minute,
                        t->second);
    }
}

/* Civil date of a Unix time (days algorithm of Howard Hinnant's notes). */
static int print_timestamp(char *out, size_t room, int64_t seconds)
{
    if (seconds == 0) return snprintf(out, room, "0000-00-00 00:00:00");
    int64_t z = seconds / 86400 + 719468, era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153, day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = yoe + era * 400 + (month <= 2), s = seconds % 86400;
    return snprintf(out, room, "%04d-%02d-%02d %02d:%02d:%02d", (int)year, (int)month, (int)day, (int)(s / 3600),
                    (int)(s / 60 % 60), (int)(s % 60));
}

struct cell cell_of(const struct change_column *column, const struct change_value *v)
{
    char text[128];
    int size = 0;
    uint32_t microsecond = 0;
    struct cell cell = {0};

    switch ((enum change_value_kind)v->kind) {
    case CHANGE_VALUE_NULL: return cell;
    case CHANGE_VALUE_ABSENT: cell.is_absent = true; return cell;
    case CHANGE_VALUE_INT:
        size = snprintf(text, sizeof text, column->type == CHANGE_YEAR ? "%04lld" : "%lld", (long long)v->i);
        break;
    case CHANGE_VALUE_UINT: size = snprintf(text, sizeof text, "%llu", (unsigned long long)v->u); break;
    case CHANGE_VALUE_FLOAT:
    case CHANGE_VALUE_DOUBLE: size = snprintf(text, sizeof text, "%.17g", v->d + 0.0); break;
    case CHANGE_VALUE_DATETIME:
        size = print_datetime(text, sizeof text, column->type, &v->t);
        microsecond = v->t.microsecond;
        break;
    case CHANGE_VALUE_TIMESTAMP:
        size = print_timestamp(text, sizeof text, v->ts.seconds);
        microsecond = v->ts.microsecond;
        break;
    case CHANGE_VALUE_BYTES:
    case CHANGE_VALUE_TEXT:
        cell.size = v->size;
        cell.bytes = malloc(v->size + 1u);
        memcpy(cell.bytes, v->bytes, v->size);
        cell.bytes[v->size] = 0;
        return cell;
    }
    if ((v->kind == CHANGE_VALUE_DATETIME || v->kind == CHANGE_VALUE_TIMESTAMP) && column->scale != 0) {
        char fraction[8];
        snprintf(fraction, sizeof fraction, "%06u", microsecond);
        size += snprintf(text + size, sizeof text - (size_t)size, ".%.*s", column->scale, fraction);
    }
    cell.size = (size_t)size;
    cell.bytes = malloc((size_t)size + 1);
    memcpy(cell.bytes, text, (size_t)size + 1);
    return cell;
}

bool cell_equal(const struct cell *a, const struct cell *b)
{
    if ((a->bytes == NULL) != (b->bytes == NULL)) return false;
    return a->bytes == NULL || (a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0);
}

static struct cell *cells_of(const struct change_table *t, const struct change_value *value)
{
    struct cell *row = calloc(t->column_count, sizeof *row);
    for (uint16_t i = 0; i < t->column_count; i++) row[i] = cell_of(&t->column[i], &value[i]);
    return row;
}

static void cells_free(struct cell *row, uint16_t count)
{
    for (uint16_t i = 0; row != NULL && i < count; i++) free(row[i].bytes);
    free(row);
}

/* Index of the first row that equals the image in its present columns; count when none does. */
static size_t find_row(const struct row_list *l, const struct cell *image, uint16_t column_count)
{
    for (size_t r = 0; r < l->count; r++) {
        uint16_t i = 0;
        while (i < column_count && (image[i].is_absent || cell_equal(&image[i], &l->row[r][i]))) i++;
        if (i == column_count) return r;
    }
    return l->count;
}

bool row_list_apply(struct row_list *l, const struct change_table *t, enum change_operation operation,
                    const struct change_value *before, const struct change_value *after)
{
    size_t at = l->count;

    if (operation != CHANGE_INSERT) {
        struct cell *image = cells_of(t, before);
        at = find_row(l, image, t->column_count);
        cells_free(image, t->column_count);
        if (at == l->count) return false;
    }
    if (operation == CHANGE_DELETE) {
        cells_free(l->row[at], t->column_count);
        l->row[at] = l->row[--l->count];
        return true;
    }
    struct cell *row = cells_of(t, after);
    if (operation == CHANGE_UPDATE) {
        for (uint16_t i = 0; i < t->column_count; i++) {
            if (!row[i].is_absent) continue;
            row[i] = l->row[at][i];
            l->row[at][i].bytes = NULL;
        }
        cells_free(l->row[at], t->column_count);
        l->row[at] = row;
        return true;
    }
    for (uint16_t i = 0; i < t->column_count; i++) row[i].is_absent = false;
    if (l->count == l->capacity) {
        l->capacity = l->capacity == 0 ? 16 : l->capacity * 2;
        l->row = realloc(l->row, l->capacity * sizeof *l->row);
    }
    l->row[l->count++] = row;
    return true;
}

void row_list_free(struct row_list *l, uint16_t column_count)
{
    for (size_t i = 0; i < l->count; i++) cells_free(l->row[i], column_count);
    free(l->row);
    *l = (struct row_list){0};
}
