#include "control/json_take.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum err json_only_keys(const json_t *object, const char *const *keys, const char *where, struct err_msg *msg)
{
    if (!json_is_object(object)) return err_set(msg, ERR_INVALID, "%s must be a JSON object", where);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t i = 0;
        while (keys[i] != NULL && strcmp(keys[i], key) != 0) i++;
        if (keys[i] != NULL) continue;
        char known[256] = "";
        for (i = 0; keys[i] != NULL; i++) {
            size_t used = strlen(known);
            bool fits = used + strlen(", ") + strlen(keys[i]) + sizeof ", ..." <= sizeof known;
            snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", fits ? keys[i] : "...");
            if (!fits) break;
        }
        return err_set(msg, ERR_INVALID, "%s has an unknown field '%.64s'; it takes %s", where, key, known);
    }
    return ERR_OK;
}

enum err json_take_text(const json_t *object, const char *key, const char *label, size_t min, size_t max,
                        const char *fallback, char *out, struct err_msg *msg)
{
    const json_t *value = json_object_get(object, key);
    if (value == NULL && fallback == NULL) return err_set(msg, ERR_INVALID, "%s is required", label);
    if (value != NULL && !json_is_string(value)) return err_set(msg, ERR_INVALID, "%s must be a string", label);
    const char *text = value == NULL ? fallback : json_string_value(value);
    size_t size = strlen(text);
    if (size < min || size > max) return err_set(msg, ERR_INVALID, "%s must have %zu to %zu bytes", label, min, max);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return err_set(msg, ERR_INVALID, "%s must not contain control characters", label);
    memcpy(out, text, size + 1);
    return ERR_OK;
}

enum err json_take_number(const json_t *object, const char *key, const char *label, int64_t min, int64_t max,
                          int64_t fallback, int64_t *out, struct err_msg *msg)
{
    const json_t *value = json_object_get(object, key);
    *out = fallback;
    if (value == NULL) return ERR_OK;
    if (!json_is_integer(value) || json_integer_value(value) < min || json_integer_value(value) > max)
        return err_set(msg, ERR_INVALID, "%s must be a whole number from %lld to %lld", label, (long long)min,
                       (long long)max);
    *out = json_integer_value(value);
    return ERR_OK;
}
