/* Goal: the table of messages says what Kafka's own schemas say, field by field: name, type, order, versions, null,
 * tags, defaults.  Method: reads Kafka's schema files where they lie beside the repository (argument 1, or
 * MILLRACE_SCHEMAS); skips where they do not. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "tests/dataplane/codec_random.h"

static int faults;

#define FAULT(...) (printf(__VA_ARGS__), putchar('\n'), faults++)

struct range {
    int first, last; /* none: first > last */
};

/* "3", "3+", "3-7", "none" */
static struct range range_of(const char *text)
{
    struct range r = {1, 0};
    if (text == NULL || strcmp(text, "none") == 0) return r;
    int n = sscanf(text, "%d-%d", &r.first, &r.last);
    if (n == 1) r.last = strchr(text, '+') != NULL ? 1000 : r.first;
    return r;
}

static struct range cut(struct range r, int max)
{
    if (r.last > max) r.last = max;
    return r;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* Line comments are not JSON. */
static json_t *read_schema(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.json", folder, name);
    FILE *f = fopen(path, "r");
    if (f == NULL) return NULL;
    static char text[1 << 20], line[1 << 16];
    size_t at = 0;
    while (fgets(line, sizeof line, f) != NULL) {
        char *first = line + strspn(line, " \t");
        if (strncmp(first, "//", 2) == 0) continue;
        size_t size = strlen(line);
        if (at + size >= sizeof text) break;
        memcpy(text + at, line, size);
        at += size;
    }
    fclose(f);
    json_error_t error;
    json_t *schema = json_loadb(text, at, 0, &error);
    if (schema == NULL) FAULT("%s: line %d: %s", path, error.line, error.text);
    return schema;
}

static const char *type_name(const struct kafka_field *f)
{
    static const char *const names[] = {"bool", "int8", "int16", "int32", "int64", "uuid", "string", "bytes",
                                        "records", "[]int32", "[]int64", "[]string"};
    return f->type < sizeof names / sizeof *names ? names[f->type] : "struct";
}

static void compare_default(const char *where, const struct kafka_field *f, const json_t *field)
{
    const char *text = text_of(field, "default");
    int64_t want = 0;
    if (text != NULL && strcmp(text, "null") == 0) want = KAFKA_DEFAULT_NULL;
    else if (text != NULL && strcmp(text, "true") == 0) want = 1;
    else if (text != NULL) want = strtoll(text, NULL, 0);
    else if (text == NULL) want = json_integer_value(json_object_get(field, "default")); /* some are bare numbers */
    if (f->type == KAFKA_NULLABLE_STRUCT) want = 0; /* is null without being told */
    if (want != f->default_value)
        FAULT("%s: default %lld, not %lld", where, (long long)f->default_value, (long long)want);
}

static void compare_fields(const char *where, const struct kafka_schema *schema, const json_t *fields, int max);

static const json_t *common_structs; /* of the schema at hand: fields by the name of their type */

static const json_t *inner_fields(const json_t *field)
{
    const json_t *inner = json_object_get(field, "fields");
    const char *type = text_of(field, "type");
    size_t i;
    json_t *common;
    if (strncmp(type, "[]", 2) == 0) type += 2;
    json_array_foreach(common_structs, i, common) {
        if (inner == NULL && strcmp(text_of(common, "name"), type) == 0) inner = json_object_get(common, "fields");
    }
    return inner;
}

static enum kafka_type struct_type(const char *type, bool is_nullable)
{
    return strncmp(type, "[]", 2) == 0 ? KAFKA_STRUCT_ARRAY : is_nullable ? KAFKA_NULLABLE_STRUCT : KAFKA_STRUCT;
}

static void compare_field(const char *where, const struct kafka_field *f, const json_t *field, int max)
{
    char here[512];
    snprintf(here, sizeof here, "%s.%s", where, f->name);
    if (strcmp(f->name, text_of(field, "name")) != 0) {
        FAULT("%s stands where %s belongs", here, text_of(field, "name"));
        return;
    }
    struct range versions = cut(range_of(text_of(field, "versions")), max);
    struct range nullable = cut(range_of(text_of(field, "nullableVersions")), max);
    struct range tagged = cut(range_of(text_of(field, "taggedVersions")), max);
    int last = f->until > max ? max : f->until;
    if (f->since != versions.first || last != versions.last)
        FAULT("%s: versions %d-%d, not %d-%d", here, f->since, last, versions.first, versions.last);
    bool is_nullable = nullable.first <= nullable.last;
    if (is_nullable != (f->nullable_since <= max) || (is_nullable && f->nullable_since != nullable.first))
        FAULT("%s: null since %d, not %d", here, f->nullable_since, nullable.first);
    if (is_nullable && nullable.last != versions.last) FAULT("%s: null ends before the field", here);
    bool is_tagged = tagged.first <= tagged.last;
    if (is_tagged != (f->tag >= 0)) FAULT("%s: tagged or not", here);
    if (is_tagged && (tagged.first != versions.first || json_integer_value(json_object_get(field, "tag")) != f->tag))
        FAULT("%s: tag %d", here, f->tag);
    const char *type = text_of(field, "type");
    const json_t *inner = inner_fields(field);
    if (inner == NULL) {
        if (strcmp(type, type_name(f)) != 0) FAULT("%s: type %s, not %s", here, type_name(f), type);
        compare_default(here, f, field);
    } else if (f->type != struct_type(type, is_nullable)) {
        FAULT("%s: type, not %s", here, type);
    } else {
        compare_default(here, f, field);
        compare_fields(here, f->element, inner, max);
    }
}

/* Fields whose versions begin beyond our maximum are not ours to have. */
static void compare_fields(const char *where, const struct kafka_schema *schema, const json_t *fields, int max)
{
    uint32_t at = 0;
    size_t i;
    json_t *field;
    json_array_foreach(fields, i, field) {
        struct range versions = cut(range_of(text_of(field, "versions")), max);
        if (versions.first > versions.last) continue;
        if (at == schema->field_count) {
            FAULT("%s has no %s", where, text_of(field, "name"));
            return;
        }
        compare_field(where, &schema->fields[at++], field, max);
    }
    if (at < schema->field_count) FAULT("%s.%s is in no schema", where, schema->fields[at].name);
}

static void compare_message(const struct kafka_message *m, const json_t *schema)
{
    struct range valid = range_of(text_of(schema, "validVersions"));
    struct range flexible = range_of(text_of(schema, "flexibleVersions"));
    if (json_integer_value(json_object_get(schema, "apiKey")) != m->api_key)
        FAULT("%s: API key %d", m->name, m->api_key);
    if (valid.first != m->version_min || valid.last < m->version_max) FAULT("%s: versions", m->name);
    if (flexible.first > flexible.last) flexible.first = KAFKA_VERSION_NONE;
    if (flexible.first != m->flexible_since) FAULT("%s: flexible since %d", m->name, m->flexible_since);
    common_structs = json_object_get(schema, "commonStructs");
    compare_fields(m->name, &m->body, json_object_get(schema, "fields"), m->version_max);
}

int main(int argc, char **argv)
{
    const char *folder = getenv("MILLRACE_SCHEMAS");
    if (folder == NULL && argc > 1) folder = argv[1];
    uint32_t compared = 0;
    for (uint32_t i = 0; codec_message_at(i) != NULL; i++) {
        const struct kafka_message *m = codec_message_at(i);
        if (m->api_key < 0) continue; /* the records of the offsets log come with no schema file */
        json_t *schema = folder == NULL ? NULL : read_schema(folder, m->name);
        if (schema == NULL) {
            printf("skipped: no Kafka schema %s.json in %s\n", m->name, folder == NULL ? "(no folder given)" : folder);
            return 77;
        }
        compare_message(m, schema);
        json_decref(schema);
        compared++;
    }
    printf("%u messages compared, %d faults\n", compared, faults);
    return faults == 0 && compared == 66 ? EXIT_SUCCESS : EXIT_FAILURE;
}
