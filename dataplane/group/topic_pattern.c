#include "dataplane/group/topic_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

enum { MATCH_STEPS_MAX = 20000, MATCH_DEPTH_MAX = 1000, MATCH_HEAP_KIB = 512, COMPILED_BYTES_MAX = 4096 };

struct topic_pattern {
    pcre2_code          *code;
    pcre2_match_data    *match;
    pcre2_match_context *limits;
};

static enum err refuse(char *why, size_t room, const char *what, size_t at)
{
    snprintf(why, room, "the regular expression is not valid at character %zu: %s", at, what);
    return ERR_INVALID;
}

enum err topic_pattern_open(struct topic_pattern **out, struct kafka_string regex, char *why, size_t room)
{
    int error;
    PCRE2_SIZE at;
    if (regex.size > TOPIC_PATTERN_BYTES_MAX) return refuse(why, room, "it is too long", TOPIC_PATTERN_BYTES_MAX);
    /* No JIT: a pattern is compiled once and matched against a few names. */
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)regex.chars, (PCRE2_SIZE)regex.size,
                                     PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C, &error,
                                     &at, NULL);
    if (code == NULL) {
        PCRE2_UCHAR text[120] = "";
        pcre2_get_error_message(error, text, sizeof text);
        return refuse(why, room, (const char *)text, at);
    }
    struct topic_pattern *p = calloc(1, sizeof *p);
    uint32_t back_reference = 0;
    size_t compiled_bytes = 0; /* "a{1,200}" is short and large */
    pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &back_reference);
    pcre2_pattern_info(code, PCRE2_INFO_SIZE, &compiled_bytes);
    if (p != NULL) {
        p->code = code;
        p->match = pcre2_match_data_create(1, NULL);
        p->limits = pcre2_match_context_create(NULL);
    }
    if (p == NULL || p->match == NULL || p->limits == NULL) {
        if (p == NULL) pcre2_code_free(code);
        topic_pattern_close(p);
        return ERR_NO_MEMORY;
    }
    pcre2_set_match_limit(p->limits, MATCH_STEPS_MAX);
    pcre2_set_depth_limit(p->limits, MATCH_DEPTH_MAX);
    pcre2_set_heap_limit(p->limits, MATCH_HEAP_KIB);
    if (back_reference == 0 && compiled_bytes <= COMPILED_BYTES_MAX) {
        *out = p;
        return ERR_OK;
    }
    topic_pattern_close(p);
    return refuse(why, room, back_reference > 0 ? "back references are not supported" : "it is too large", 0);
}

void topic_pattern_close(struct topic_pattern *p)
{
    if (p == NULL) return;
    pcre2_match_context_free(p->limits);
    pcre2_match_data_free(p->match);
    pcre2_code_free(p->code);
    free(p);
}

bool topic_pattern_matches(const struct topic_pattern *p, struct kafka_string name)
{
    return pcre2_match(p->code, (PCRE2_SPTR)name.chars, (PCRE2_SIZE)name.size, 0, 0, p->match, p->limits) >= 0;
}
