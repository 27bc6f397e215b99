#include "control/alert/notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "base/utf8.h"
#include "control/json_take.h"

static const char *const state_words[ALERT_NOTICE_STATE_COUNT] = {"firing", "recovered", "test"};

const char *alert_notice_state_word(enum alert_notice_state state) { return state_words[state]; }

static void fresh_id(char out[ALERT_NOTICE_ID_BYTES])
{
    uint8_t bytes[(ALERT_NOTICE_ID_BYTES - 1) / 2];
    random_secret(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* "1 d 3 h", "2 h 5 min", "40 s": a person reads these, so two units are enough. */
static void print_seconds(int64_t s, char out[32])
{
    if (s >= 86400)
        snprintf(out, 32, "%" PRId64 " d %" PRId64 " h", s / 86400, s % 86400 / 3600);
    else if (s >= 3600)
        snprintf(out, 32, "%" PRId64 " h %" PRId64 " min", s / 3600, s % 3600 / 60);
    else if (s >= 120)
        snprintf(out, 32, "%" PRId64 " min", s / 60);
    else
        snprintf(out, 32, "%" PRId64 " s", s);
}

static void print_value(enum alert_kind kind, int64_t value, char out[32])
{
    const char *unit = alert_kind_facts(kind)->unit;
    if (value == ALERT_NOTHING_BAD)
        snprintf(out, 32, "nothing");
    else if (strcmp(unit, "s") == 0)
        print_seconds(value, out);
    else
        snprintf(out, 32, "%" PRId64 " %s", value, unit);
}

/* subject, head, measure, tail; no measure where there is no tail */
static const struct sentence {
    const char *head, *tail;
} sentences[ALERT_KIND_COUNT][2] = {
    [ALERT_SOURCE_DELAY] = {{" is ", " behind its source"}, {" follows its source again (behind by ", ")"}},
    [ALERT_GROUP_LAG_SECONDS] = {{" has not read records that are ", " old"}, {" keeps up again (behind by ", ")"}},
    [ALERT_GROUP_LAG_RECORDS] = {{" is ", " behind"}, {" keeps up again (", " behind)"}},
    [ALERT_ERROR] = {{" is in Error", NULL}, {" is no longer in Error", NULL}},
    [ALERT_RETENTION] = {{" loses records in ", " unless it reads on: they will be older than the log keeps them"},
                         {" is no longer about to lose records (time left: ", ")"}},
    [ALERT_SOURCE_PURGE] = {{" has not read what its source may purge in ", ""},
                            {" has read what its source was about to purge (time left: ", ")"}},
    [ALERT_DISK] = {{": its disk has ", " left free"}, {": its disk has room again (free: ", ")"}},
};

static void print_sentence(struct alert_notice *n, const char *why)
{
    char subject[sizeof n->channel + sizeof n->group + 32], value[32];
    if (n->group[0] != '\0')
        snprintf(subject, sizeof subject, "group %s of channel %s", n->group, n->channel);
    else
        snprintf(subject, sizeof subject, "channel %s", n->channel);
    print_value(n->kind, n->value, value);
    const struct sentence *says = &sentences[n->kind][n->state == ALERT_NOTICE_RECOVERED];
    if (n->value == ALERT_NOTHING_BAD) {
        snprintf(n->text, sizeof n->text, "%s: %s is no longer watched, or there is nothing to measure", subject,
                 alert_kind_facts(n->kind)->word);
        return;
    }
    bool has_why = why[0] != '\0' && n->state == ALERT_NOTICE_FIRING;
    snprintf(n->text, sizeof n->text, "%s%s%s%s%s%s", subject, says->head, says->tail == NULL ? "" : value,
             says->tail == NULL ? "" : says->tail, has_why ? ": " : "", has_why ? why : "");
}

void alert_notice_make(struct alert_notice *out, const char *channel, const struct alert_rule *rule, const char *group,
                       const struct alert_watch *watch, uint64_t now_ms, const char *why)
{
    *out = (struct alert_notice){.state = watch->is_firing ? ALERT_NOTICE_FIRING : ALERT_NOTICE_RECOVERED,
                                 .kind = rule->kind,
                                 .value = watch->value,
                                 .threshold = rule->threshold,
                                 .since_ms = watch->since_ms,
                                 .at_ms = now_ms};
    fresh_id(out->id);
    snprintf(out->channel, sizeof out->channel, "%s", channel);
    snprintf(out->rule, sizeof out->rule, "%s", rule->id);
    snprintf(out->group, sizeof out->group, "%s", group);
    print_sentence(out, why);
    utf8_make_printable(out->group); /* a group's ID and a source's words may hold anything */
    utf8_make_printable(out->text);
}

void alert_notice_make_test(struct alert_notice *out, uint64_t now_ms)
{
    *out = (struct alert_notice){.state = ALERT_NOTICE_TEST, .since_ms = now_ms, .at_ms = now_ms};
    fresh_id(out->id);
    snprintf(out->text, sizeof out->text, "this is a test: nothing is wrong, alerts reach you");
}

json_t *alert_notice_json(const struct alert_notice *n)
{
    bool is_test = n->state == ALERT_NOTICE_TEST;
    json_t *made = json_pack("{s:s, s:s, s:s, s:I, s:I}", "id", n->id, "state", state_words[n->state], "text", n->text,
                             "since_ms", (json_int_t)n->since_ms, "at_ms", (json_int_t)n->at_ms);
    if (is_test || made == NULL) return made;
    const struct alert_kind_facts *facts = alert_kind_facts(n->kind);
    json_t *rest = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "channel", n->channel, "rule", n->rule, "kind",
                             facts->word, "group", n->group, "value", (json_int_t)n->value, "threshold",
                             (json_int_t)n->threshold, "unit", facts->unit);
    if (rest == NULL || json_object_update(made, rest) != 0) {
        json_decref(made);
        made = NULL;
    }
    json_decref(rest);
    return made;
}

static enum err take_word(const json_t *from, const char *key, const char *const *words, int count, int *out,
                          struct err_msg *msg)
{
    const char *word = json_string_value(json_object_get(from, key));
    for (*out = 0; word != NULL && *out < count; (*out)++)
        if (strcmp(words[*out], word) == 0) return ERR_OK;
    return err_set(msg, ERR_CORRUPT, "a notice has no known %s", key);
}

enum err alert_notice_parse(const json_t *from, struct alert_notice *out, struct err_msg *msg)
{
    const char *kind_words[ALERT_KIND_COUNT];
    int state, kind;
    int64_t since_ms, at_ms;
    *out = (struct alert_notice){.value = 0};
    TRY(take_word(from, "state", state_words, ALERT_NOTICE_STATE_COUNT, &state, msg));
    out->state = (enum alert_notice_state)state;
    TRY(json_take_text(from, "id", "id", 1, sizeof out->id - 1, NULL, out->id, msg));
    TRY(json_take_text(from, "text", "text", 1, sizeof out->text - 1, NULL, out->text, msg));
    TRY(json_take_number(from, "since_ms", "since_ms", 0, INT64_MAX, 0, &since_ms, msg));
    TRY(json_take_number(from, "at_ms", "at_ms", 0, INT64_MAX, 0, &at_ms, msg));
    out->since_ms = (uint64_t)since_ms, out->at_ms = (uint64_t)at_ms;
    if (out->state == ALERT_NOTICE_TEST) return ERR_OK;
    for (int i = 0; i < ALERT_KIND_COUNT; i++) kind_words[i] = alert_kind_facts((enum alert_kind)i)->word;
    TRY(take_word(from, "kind", kind_words, ALERT_KIND_COUNT, &kind, msg));
    out->kind = (enum alert_kind)kind;
    TRY(json_take_text(from, "channel", "channel", 1, sizeof out->channel - 1, NULL, out->channel, msg));
    TRY(json_take_text(from, "rule", "rule", 1, sizeof out->rule - 1, NULL, out->rule, msg));
    TRY(json_take_text(from, "group", "group", 0, sizeof out->group - 1, "", out->group, msg));
    TRY(json_take_number(from, "value", "value", ALERT_NOTHING_BAD, INT64_MAX, 0, &out->value, msg));
    return json_take_number(from, "threshold", "threshold", 0, INT64_MAX, 0, &out->threshold, msg);
}

char *alert_notice_mail(const struct alert_notice *n, const char *from, const char *const *to, size_t to_count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL) return NULL;
    bool is_test = n->state == ALERT_NOTICE_TEST;
    char at[64], since[64];
    struct tm parts;
    strftime(at, sizeof at, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&(time_t){(time_t)(n->at_ms / 1000)}, &parts));
    strftime(since, sizeof since, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&(time_t){(time_t)(n->since_ms / 1000)}, &parts));
    fprintf(f, "Date: %s\r\nFrom: <%s>\r\nTo: ", at, from);
    for (size_t i = 0; i < to_count; i++) fprintf(f, "%s<%s>", i == 0 ? "" : ",\r\n ", to[i]);
    /* names of channels and kinds are ASCII; a group's may be anything and stands in the text only */
    fprintf(f, "\r\nSubject: [millrace] %s%s%s%s%s\r\n", state_words[n->state], is_test ? "" : ": channel ",
            n->channel, is_test ? "" : ", ", is_test ? "" : alert_kind_facts(n->kind)->word);
    fprintf(f, "Message-ID: <%s@millrace>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
               "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", n->id);
    for (const char *c = n->text; *c != '\0'; c++) fputc(*c == '\r' || *c == '\n' ? ' ' : *c, f);
    fputs("\r\n", f);
    if (!is_test) {
        char value[32], threshold[32];
        print_value(n->kind, n->value, value);
        print_value(n->kind, n->threshold, threshold);
        fprintf(f, "\r\nRule: %s\r\nMeasured: %s (threshold: %s)\r\nSince: %s\r\n", n->rule, value, threshold, since);
    }
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
