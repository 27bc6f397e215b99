/* The document is a tree that is opened only where a path leads: an untouched part stays one node that points into the
 * binary document, so a small change of a large document costs little. */
#include "capture/json_diff.h"

#include <string.h>

#include "base/cursor.h"
#include "capture/json_binary.h"

enum { JSON_DIFF_REPLACE, JSON_DIFF_INSERT, JSON_DIFF_REMOVE };

struct json_node { /* a value; in an object with its key */
    union {
        const uint8_t *bytes;       /* as it is in a binary document */
        struct json_branch *branch; /* an opened container */
    };
    const uint8_t *key;
    uint32_t size;
    uint16_t key_bytes;
    uint8_t type;
    bool is_open;
};

struct json_branch {
    struct json_node *child;
    uint32_t count, capacity;
    bool is_object; /* its children sorted as the server sorts keys */
};

struct json_leg { /* one step of a path */
    const uint8_t *key; /* NULL: an index */
    size_t key_bytes;
    uint64_t index;
    bool from_last; /* the index counts back from the last element */
};

struct json_path {
    struct cursor left;
    struct sink *room; /* for names that are written with escapes */
};

/* ---- memory ---- */

static void *room_claim(struct sink *room, size_t size)
{
    size_t align = (size_t)(-(uintptr_t)room->at & 7);
    uint8_t *at = sink_claim(room, align + size);
    return at == NULL ? NULL : at + align;
}

/* ---- nodes ---- */

static struct json_value value_of(const struct json_node *n)
{
    return (struct json_value){n->type, n->bytes, n->size};
}

static enum err set_value(struct json_node *n, const struct json_value *v)
{
    if (v->size > UINT32_MAX) return ERR_CORRUPT;
    n->bytes = v->bytes;
    n->size = (uint32_t)v->size;
    n->type = v->type;
    n->is_open = false;
    return ERR_OK;
}

/* The children of a container; NULL in *out: the value is none. */
static enum err open_node(struct json_node *n, struct sink *room, struct json_branch **out)
{
    struct json_value v = value_of(n);
    struct json_container c;

    *out = n->is_open ? n->branch : NULL;
    if (n->is_open || !json_value_is_container(&v)) return ERR_OK;
    TRY(json_container_open(&c, &v));
    struct json_branch *b = room_claim(room, sizeof *b);
    struct json_node *child = room_claim(room, c.count * sizeof *child);
    if (b == NULL || child == NULL) return ERR_NO_SPACE;
    *b = (struct json_branch){child, c.count, c.count, c.is_object};
    for (uint32_t i = 0; i < c.count; i++) {
        child[i] = (struct json_node){.key = NULL};
        if (c.is_object) TRY(json_container_key(&c, i, &child[i].key, &child[i].key_bytes));
        TRY(json_container_value(&c, i, &v));
        TRY(set_value(&child[i], &v));
    }
    n->branch = b;
    n->is_open = true;
    *out = b;
    return ERR_OK;
}

/* Keys are sorted by length, then by bytes.  The index of the first that is not before `leg`'s. */
static uint32_t find_key(const struct json_branch *b, const struct json_leg *leg, bool *found)
{
    uint32_t low = 0, high = b->count;

    *found = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct json_node *n = &b->child[middle];
        int order = n->key_bytes != leg->key_bytes ? (n->key_bytes < leg->key_bytes ? -1 : 1)
                                                   : memcmp(n->key, leg->key, leg->key_bytes);
        if (order == 0) *found = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Where `leg` leads in `b`: the child's index, or where it would stand.  ERR_CORRUPT: an object has no index, an array
 * no key. */
static enum err locate(const struct json_branch *b, const struct json_leg *leg, uint32_t *at, bool *found)
{
    if (b->is_object != (leg->key != NULL)) return ERR_CORRUPT;
    if (b->is_object) {
        *at = find_key(b, leg, found);
        return ERR_OK;
    }
    *found = leg->index < b->count;
    if (leg->from_last)
        *at = *found ? b->count - 1 - (uint32_t)leg->index : 0; /* before the first: the front */
    else
        *at = *found ? (uint32_t)leg->index : b->count;
    return ERR_OK;
}

static enum err insert_child(struct json_branch *b, uint32_t at, const struct json_node *n, struct sink *room)
{
    if (b->count == b->capacity) {
        if (b->capacity > UINT32_MAX / 2) return ERR_CORRUPT;
        uint32_t capacity = b->capacity < 4 ? 4 : b->capacity * 2;
        struct json_node *grown = room_claim(room, capacity * sizeof *grown);
        if (grown == NULL) return ERR_NO_SPACE;
        memcpy(grown, b->child, b->count * sizeof *grown);
        b->child = grown;
        b->capacity = capacity;
    }
    memmove(b->child + at + 1, b->child + at, (b->count - at) * sizeof *b->child);
    b->child[at] = *n;
    b->count++;
    return ERR_OK;
}

static void remove_child(struct json_branch *b, uint32_t at)
{
    memmove(b->child + at, b->child + at + 1, (b->count - at - 1) * sizeof *b->child);
    b->count--;
}

/* ---- paths ---- */

static uint8_t peek(const struct json_path *p)
{
    return cursor_left(&p->left) == 0 ? 0 : *p->left.at;
}

static uint32_t take_hex4(struct cursor *in)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint8_t c = (uint8_t)cursor_le(in, 1), lower = c | 0x20;
        if ((c < '0' || c > '9') && (lower < 'a' || lower > 'f')) in->failed = true;
        value = value << 4 | (c <= '9' ? c & 15u : (lower & 15u) + 9u);
    }
    return value;
}

/* What follows a backslash in a JSON string. */
static void take_escape(struct cursor *in, struct sink *out)
{
    static const char letter[] = "bfnrt\"\\/", meant[] = "\b\f\n\r\t\"\\/";
    uint8_t c = (uint8_t)cursor_le(in, 1);
    const char *at = c == 0 ? NULL : strchr(letter, c);

    if (at != NULL) {
        sink_be(out, (uint8_t)meant[at - letter], 1);
    } else if (c == 'u') {
        uint32_t code = take_hex4(in);
        if (code >= 0xd800 && code < 0xdc00 && cursor_left(in) >= 6 && in->at[0] == '\\' && in->at[1] == 'u') {
            cursor_take(in, 2);
            code = 0x10000 + ((code & 0x3ff) << 10) + (take_hex4(in) & 0x3ff);
        }
        sink_utf8(out, code);
    } else {
        in->failed = true;
    }
}

/* A quoted name, a JSON string; the opening quote is taken. */
static enum err take_quoted(struct json_path *p, struct json_leg *leg)
{
    uint8_t *start = p->room->at;

    while (!p->left.failed) {
        uint8_t c = (uint8_t)cursor_le(&p->left, 1);
        if (p->left.failed || c == '"') break;
        if (c == '\\')
            take_escape(&p->left, p->room);
        else
            sink_be(p->room, c, 1);
    }
    if (p->left.failed) return ERR_CORRUPT;
    if (p->room->failed) return ERR_NO_SPACE;
    leg->key = start;
    leg->key_bytes = (size_t)(p->room->at - start);
    return ERR_OK;
}

static enum err take_number(struct json_path *p, uint64_t *out)
{
    *out = 0;
    if (peek(p) < '0' || peek(p) > '9') return ERR_CORRUPT;
    while (peek(p) >= '0' && peek(p) <= '9' && *out <= UINT32_MAX)
        *out = *out * 10 + (cursor_le(&p->left, 1) - '0');
    return *out > UINT32_MAX ? ERR_CORRUPT : ERR_OK;
}

/* [3], [last], [last-2]; the bracket is taken. */
static enum err take_index(struct json_path *p, struct json_leg *leg)
{
    if (cursor_left(&p->left) > 4 && memcmp(p->left.at, "last", 4) == 0) {
        cursor_take(&p->left, 4);
        leg->from_last = true;
        if (peek(p) == '-') {
            cursor_take(&p->left, 1);
            TRY(take_number(p, &leg->index));
        }
    } else {
        TRY(take_number(p, &leg->index));
    }
    return cursor_le(&p->left, 1) == ']' && !p->left.failed ? ERR_OK : ERR_CORRUPT;
}

static enum err take_leg(struct json_path *p, struct json_leg *leg)
{
    *leg = (struct json_leg){.key = NULL};
    uint8_t begin = (uint8_t)cursor_le(&p->left, 1);
    if (begin == '[') return take_index(p, leg);
    if (begin != '.') return ERR_CORRUPT;
    if (peek(p) == '"') {
        cursor_take(&p->left, 1);
        return take_quoted(p, leg);
    }
    leg->key = p->left.at;
    while (cursor_left(&p->left) != 0 && peek(p) != '.' && peek(p) != '[') cursor_take(&p->left, 1);
    leg->key_bytes = (size_t)(p->left.at - leg->key);
    return leg->key_bytes == 0 ? ERR_CORRUPT : ERR_OK;
}

/* ---- changes ---- */

/* The container that holds a path's last leg, and that leg. */
static enum err walk(struct json_node *root, struct json_path *path, struct json_branch **parent, struct json_leg *last)
{
    struct json_node *at = root;

    if (cursor_le(&path->left, 1) != '$') return ERR_CORRUPT;
    for (;;) {
        uint32_t i;
        bool found;
        TRY(take_leg(path, last)); /* a path of no leg would be the whole document: that is never written as a change */
        TRY(open_node(at, path->room, parent));
        if (*parent == NULL) return ERR_CORRUPT;
        if (cursor_left(&path->left) == 0) return ERR_OK;
        TRY(locate(*parent, last, &i, &found));
        if (!found) return ERR_CORRUPT;
        at = &(*parent)->child[i];
    }
}

static enum err apply(struct json_node *root, uint8_t operation, struct json_path *path, const struct json_value *value)
{
    struct json_branch *parent;
    struct json_leg leg;
    uint32_t at;
    bool found;

    TRY(walk(root, path, &parent, &leg));
    TRY(locate(parent, &leg, &at, &found));
    switch (operation) {
    case JSON_DIFF_REPLACE: return found ? set_value(&parent->child[at], value) : ERR_CORRUPT;
    case JSON_DIFF_REMOVE:
        if (!found) return ERR_CORRUPT;
        remove_child(parent, at);
        return ERR_OK;
    default: {
        struct json_node n = {.key = leg.key, .key_bytes = (uint16_t)leg.key_bytes};
        if (leg.key_bytes > UINT16_MAX || (parent->is_object && found)) return ERR_CORRUPT;
        TRY(set_value(&n, value));
        return insert_child(parent, at, &n, path->room);
    }
    }
}

static enum err apply_all(struct json_node *root, struct cursor diffs, struct sink *room)
{
    while (cursor_left(&diffs) != 0) {
        struct json_value value = {0, NULL, 0};
        uint8_t operation = (uint8_t)cursor_le(&diffs, 1);
        uint64_t path_bytes = cursor_lenenc(&diffs);
        const uint8_t *path_text = cursor_take(&diffs, path_bytes);
        if (operation > JSON_DIFF_REMOVE || path_text == NULL) return ERR_CORRUPT;
        if (operation != JSON_DIFF_REMOVE) {
            uint64_t size = cursor_lenenc(&diffs);
            const uint8_t *bytes = cursor_take(&diffs, size);
            if (bytes == NULL || size == 0) return ERR_CORRUPT;
            value = (struct json_value){bytes[0], bytes + 1, size - 1};
        }
        struct json_path path = {cursor_of(path_text, path_bytes), room};
        TRY(apply(root, operation, &path, &value));
    }
    return ERR_OK;
}

/* ---- the result ---- */

static enum err print_node(struct json_printer *out, const struct json_node *n, unsigned depth)
{
    if (!n->is_open) {
        struct json_value v = value_of(n);
        return json_print_value(out, &v, depth);
    }
    const struct json_branch *b = n->branch;
    if (depth + 1 > JSON_DEPTH_MAX) return ERR_CORRUPT;
    sink_be(&out->sink, b->is_object ? '{' : '[', 1);
    for (uint32_t i = 0; i < b->count; i++) {
        if (i != 0) sink_bytes(&out->sink, ", ", 2);
        if (b->is_object) {
            json_print_string(out, b->child[i].key, b->child[i].key_bytes);
            sink_bytes(&out->sink, ": ", 2);
        }
        TRY(print_node(out, &b->child[i], depth + 1));
        if (out->sink.failed) return ERR_NO_SPACE;
    }
    sink_be(&out->sink, b->is_object ? '}' : ']', 1);
    return ERR_OK;
}

enum err json_diff_print(struct sink *room, const uint8_t *before, size_t before_bytes, const uint8_t *diffs,
                         size_t diffs_bytes, bool double_keeps_point, const uint8_t **text, size_t *text_bytes)
{
    static const struct json_value null = {4 /* literal */, (const uint8_t *)"", 1}; /* an empty document reads so */
    struct json_value document = null;
    struct json_node root = {.key = NULL};

    if (before_bytes != 0) document = (struct json_value){before[0], before + 1, before_bytes - 1};
    TRY(set_value(&root, &document));
    TRY(apply_all(&root, cursor_of(diffs, diffs_bytes), room));
    struct json_printer out = {*room, double_keeps_point};
    TRY(print_node(&out, &root, 0));
    if (out.sink.failed) return ERR_NO_SPACE;
    *text = room->at;
    *text_bytes = (size_t)(out.sink.at - room->at);
    *room = out.sink;
    return ERR_OK;
}
