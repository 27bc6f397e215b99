#include "dataplane/group/topic_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fnv.h"

/* A step takes some 50 ns, and as long as its frame is large: 1,000 are enough for several ".*" in a topic's name. */
enum {
    MATCH_STEPS_MAX = 1000, MATCH_DEPTH_MAX = 1000, MATCH_HEAP_KIB = 512,
    COMPILED_BYTES_MAX = 4096, FRAME_BYTES_MAX = 1024,
    REMEMBERED = 32768, /* a power of two */
};

struct topic_matcher {
    pcre2_match_data    *match; /* keeps the frames of the largest match so far */
    pcre2_match_context *limits;
    uint64_t last_id, match_count;
    uint64_t found[REMEMBERED]; /* by pattern and name, both hashed: the lowest bit is the answer; 0: nothing yet */
};

struct topic_pattern {
    struct topic_matcher *matcher;
    pcre2_code *code;
    uint64_t    id; /* never used again */
    size_t      bytes;
};

enum err topic_matcher_open(struct topic_matcher **out)
{
    struct topic_matcher *t = calloc(1, sizeof *t);
    if (t == NULL) return ERR_NO_MEMORY;
    t->match = pcre2_match_data_create(1, NULL);
    t->limits = pcre2_match_context_create(NULL);
    if (t->match == NULL || t->limits == NULL) {
        topic_matcher_close(t);
        return ERR_NO_MEMORY;
    }
    pcre2_set_match_limit(t->limits, MATCH_STEPS_MAX);
    pcre2_set_depth_limit(t->limits, MATCH_DEPTH_MAX);
    pcre2_set_heap_limit(t->limits, MATCH_HEAP_KIB);
    *out = t;
    return ERR_OK;
}

void topic_matcher_close(struct topic_matcher *t)
{
    if (t == NULL) return;
    pcre2_match_context_free(t->limits);
    pcre2_match_data_free(t->match);
    free(t);
}

uint64_t topic_matcher_count(const struct topic_matcher *t) { return t->match_count; }

static enum err refuse(char *why, size_t room, const char *what, size_t at)
{
    snprintf(why, room, "the regular expression is not valid at character %zu: %s", at, what);
    return ERR_INVALID;
}

/* NULL: a client may have it. */
static const char *find_fault(const pcre2_code *code)
{
    uint32_t back_reference = 0;
    size_t compiled_bytes = 0, frame_bytes = 0; /* "a{1,200}" is short and large; every named group enlarges a step */
    pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &back_reference);
    pcre2_pattern_info(code, PCRE2_INFO_SIZE, &compiled_bytes);
    pcre2_pattern_info(code, PCRE2_INFO_FRAMESIZE, &frame_bytes);
    if (back_reference > 0) return "back references are not supported";
    return compiled_bytes > COMPILED_BYTES_MAX || frame_bytes > FRAME_BYTES_MAX ? "it is too large" : NULL;
}

enum err topic_pattern_open(struct topic_pattern **out, struct topic_matcher *matcher, struct kafka_string regex,
                            char *why, size_t room)
{
    int error;
    PCRE2_SIZE at;
    if (regex.size > TOPIC_PATTERN_BYTES_MAX) return refuse(why, room, "it is too long", TOPIC_PATTERN_BYTES_MAX);
    /* No JIT: a pattern is compiled once and matched against a few names.  What groups capture nobody asks. */
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)regex.chars, (PCRE2_SIZE)regex.size,
                                     PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C |
                                     PCRE2_NO_AUTO_CAPTURE, &error, &at, NULL);
    if (code == NULL) {
        PCRE2_UCHAR text[120] = "";
        pcre2_get_error_message(error, text, sizeof text);
        return refuse(why, room, (const char *)text, at);
    }
    const char *fault = find_fault(code);
    struct topic_pattern *p = fault == NULL ? calloc(1, sizeof *p) : NULL;
    if (p == NULL) {
        pcre2_code_free(code);
        return fault == NULL ? ERR_NO_MEMORY : refuse(why, room, fault, 0);
    }
    *p = (struct topic_pattern){.matcher = matcher, .code = code, .id = ++matcher->last_id};
    pcre2_pattern_info(code, PCRE2_INFO_SIZE, &p->bytes);
    p->bytes += sizeof *p;
    *out = p;
    return ERR_OK;
}

void topic_pattern_close(struct topic_pattern *p)
{
    if (p == NULL) return;
    pcre2_code_free(p->code);
    free(p);
}

size_t topic_pattern_bytes(const struct topic_pattern *p) { return p == NULL ? 0 : p->bytes; }

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 33;
}

/* Topics are made by operators, and a pattern's id by nobody's choice: a chance of 2^-63 is all that two have to meet.
 */
static uint64_t key_of(const struct topic_pattern *p, struct kafka_string name)
{
    return mix(fnv1a(mix(p->id), name.chars, name.size < 0 ? 0 : (size_t)name.size)) | 1;
}

bool topic_pattern_matches(const struct topic_pattern *p, struct kafka_string name)
{
    struct topic_matcher *t = p->matcher;
    uint64_t key = key_of(p, name), *found = &t->found[key >> 1 & (REMEMBERED - 1)];
    if ((*found | 1) == key && *found != 0) return *found & 1;
    bool matches = pcre2_match(p->code, (PCRE2_SPTR)name.chars, (PCRE2_SIZE)name.size, 0, 0, t->match, t->limits) >= 0;
    t->match_count++;
    *found = matches ? key : key - 1;
    return matches;
}
