/* GET /metrics: the counter file, with the channels' gauges of now, and what is known of groups and alerts, as
 * Prometheus text (exposition format 0.0.4).
 * Histograms become summaries: the file has some thousand buckets each, too many for a scrape. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/channel.h"
#include "control/channel_gauges.h"
#include "control/group_lag.h"
#include "control/rest.h"
#include "control/version.h"

enum { METRICS_MAX = 8192, GROUPS_MAX = 1000 };

struct metrics {
    struct counter_view *view;
    uint32_t count;
};

static void collect(void *context, const struct counter_view *view)
{
    struct metrics *m = context;
    if (m->count < METRICS_MAX) m->view[m->count++] = *view;
}

static int by_name(const void *left, const void *right)
{
    const struct counter_view *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : strcmp(a->label, b->label);
}

/* "commit latency" -> commit_latency */
static void print_name(FILE *to, const char *name)
{
    fputs("millrace_", to);
    for (; *name != '\0'; name++) {
        bool is_plain =
            (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9');
        fputc(is_plain ? *name : '_', to);
    }
}

/* channel=orders,cause=PEER -> channel="orders",cause="PEER"; a part without '=' -> label="part" */
static void print_label(FILE *to, const char *label)
{
    for (const char *at = label; *at != '\0';) {
        size_t size = strcspn(at, ","), key = strcspn(at, "=,");
        bool has_key = at[key] == '=' && key > 0;
        if (!has_key) fputs("label", to);
        for (size_t i = 0; has_key && i < key; i++) {
            bool is_letter = (at[i] >= 'a' && at[i] <= 'z') || (at[i] >= 'A' && at[i] <= 'Z');
            fputc(is_letter ? at[i] : '_', to);
        }
        fputs("=\"", to);
        for (size_t i = has_key ? key + 1 : 0; i < size; i++) {
            if (at[i] == '"' || at[i] == '\\') fputc('\\', to);
            fputc(at[i] == '\n' ? ' ' : at[i], to);
        }
        fputc('"', to);
        at += size;
        if (*at == ',') fputc(*at++, to);
    }
}

static void print_sample(FILE *to, const struct counter_view *v, const char *suffix, const char *quantile,
                         uint64_t value)
{
    print_name(to, v->name);
    fputs(suffix, to);
    if (v->label[0] != '\0' || quantile != NULL) {
        fputc('{', to);
        if (v->label[0] != '\0') print_label(to, v->label);
        if (quantile != NULL) fprintf(to, "%squantile=\"%s\"", v->label[0] == '\0' ? "" : ",", quantile);
        fputc('}', to);
    }
    fprintf(to, " %" PRIu64 "\n", value);
}

static void print_histogram(FILE *to, const struct counter_view *v)
{
    print_sample(to, v, "", "0.5", histogram_quantile(v->histogram, 500000));
    print_sample(to, v, "", "0.99", histogram_quantile(v->histogram, 990000));
    print_sample(to, v, "", "0.999", histogram_quantile(v->histogram, 999000));
    print_sample(to, v, "_sum", NULL, atomic_load_explicit(&v->histogram->sum, memory_order_relaxed));
    print_sample(to, v, "_count", NULL, v->value);
}

static void print_all(FILE *to, const struct metrics *m)
{
    static const char *const types[] = {
        [COUNTER_COUNT] = "counter", [COUNTER_GAUGE] = "gauge", [COUNTER_HISTOGRAM] = "summary"};
    fprintf(to, "# TYPE millrace_build_info gauge\nmillrace_build_info{version=\"%s\"} 1\n", MILLRACE_VERSION);
    for (uint32_t i = 0; i < m->count; i++) {
        const struct counter_view *v = &m->view[i];
        if (i == 0 || strcmp(m->view[i - 1].name, v->name) != 0) {
            fputs("# TYPE ", to);
            print_name(to, v->name);
            fprintf(to, " %s\n", types[v->kind]);
        }
        if (v->kind == COUNTER_HISTOGRAM)
            print_histogram(to, v);
        else
            print_sample(to, v, "", NULL, v->value);
    }
}

/* --- groups and alerts: measured by each scrape --- */

struct group_gauge {
    const char *name;
    double (*value)(const struct group_summary *group, const struct group_lag *lag); /* < 0: not known */
};

static double members_of(const struct group_summary *group, const struct group_lag *lag)
{
    (void)lag;
    return group->member_count;
}

static double lag_records_of(const struct group_summary *group, const struct group_lag *lag)
{
    return group->committed_offset == UINT64_MAX ? -1 : (double)lag->records;
}

static double lag_seconds_of(const struct group_summary *group, const struct group_lag *lag)
{
    return group->committed_offset == UINT64_MAX || lag->ms < 0 ? -1 : (double)lag->ms / 1000;
}

static const struct group_gauge group_gauges[] = {{"group_members", members_of},
                                                  {"group_lag_records", lag_records_of},
                                                  {"group_lag_seconds", lag_seconds_of}};
enum { GROUP_GAUGES = sizeof group_gauges / sizeof *group_gauges };

/* A group's ID is whatever its client says. */
static void print_quoted(FILE *to, const char *text)
{
    json_t *known = rest_foreign_text(text);
    for (const char *c = json_string_value(known); c != NULL && *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') fputc('\\', to);
        fputs(*c == '\n' ? "\\n" : (char[]){*c, '\0'}, to);
    }
    json_decref(known);
}

static void print_groups_of(struct instance *in, const struct channel *ch, FILE *const to[GROUP_GAUGES],
                            struct group_summary *groups)
{
    if (in->dataplane == NULL || ch->log == NULL) return;
    uint32_t count = dataplane_groups(in->dataplane, ch->spec.name, groups, GROUPS_MAX);
    for (uint32_t g = 0; g < count; g++) {
        struct group_lag lag = {.ms = -1};
        if (groups[g].committed_offset != UINT64_MAX) lag = group_lag_of(in, ch->log, groups[g].committed_offset);
        for (int i = 0; i < GROUP_GAUGES; i++) {
            double value = group_gauges[i].value(&groups[g], &lag);
            if (value < 0) continue;
            fprintf(to[i], "millrace_%s{channel=\"%s\",group=\"", group_gauges[i].name, ch->spec.name);
            print_quoted(to[i], groups[g].group_id);
            fprintf(to[i], "\"} %.15g\n", value);
        }
    }
}

/* The samples of one metric must stand together, but each group is asked once. */
static void print_groups(struct instance *in, FILE *to)
{
    char *text[GROUP_GAUGES] = {NULL};
    size_t size[GROUP_GAUGES];
    FILE *parts[GROUP_GAUGES];
    struct group_summary *groups = calloc(GROUPS_MAX, sizeof *groups);
    bool has_room = groups != NULL;
    for (int i = 0; i < GROUP_GAUGES; i++) has_room &= (parts[i] = open_memstream(&text[i], &size[i])) != NULL;
    for (uint32_t i = 0; has_room && i < in->channel_count; i++) print_groups_of(in, in->channel[i], parts, groups);
    for (int i = 0; i < GROUP_GAUGES; i++) {
        bool is_whole = parts[i] != NULL && fclose(parts[i]) == 0 && has_room;
        if (is_whole) fprintf(to, "# TYPE millrace_%s gauge\n%s", group_gauges[i].name, text[i]);
        free(text[i]);
    }
    free(groups);
}

static void print_alerts(const struct instance *in, FILE *to)
{
    fputs("# TYPE millrace_alerts_firing gauge\n", to);
    for (uint32_t i = 0; i < in->channel_count; i++)
        fprintf(to, "millrace_alerts_firing{channel=\"%s\"} %u\n", in->channel[i]->spec.name,
                (unsigned)alerts_firing(&in->alerts, in->channel[i]->spec.name));
}

static void print_device(const struct instance *in, FILE *to)
{
    struct port_dpdk_state s;
    if (in->dataplane == NULL || dataplane_device(in->dataplane) == NULL) return;
    port_dpdk_state(dataplane_device(in->dataplane), &s);
    fprintf(to, "# TYPE millrace_device_up gauge\nmillrace_device_up %d\n", s.condition == PORT_DPDK_UP);
    fprintf(to, "# TYPE millrace_device_link gauge\nmillrace_device_link %d\n", s.has_link);
    fprintf(to, "# TYPE millrace_device_missed counter\nmillrace_device_missed %" PRIu64 "\n", s.missed);
    fprintf(to, "# TYPE millrace_device_errors counter\nmillrace_device_errors %" PRIu64 "\n", s.errors);
}

void rest_metrics(struct instance *in, const struct rest_request *request, const char *name, struct rest_response *out)
{
    (void)request, (void)name;
    struct metrics m = {calloc(METRICS_MAX, sizeof(struct counter_view)), 0};
    char *text = NULL;
    size_t size = 0;
    FILE *to = m.view == NULL ? NULL : open_memstream(&text, &size);
    if (to != NULL) {
        for (uint32_t i = 0; i < in->channel_count; i++)
            channel_gauges_set(in->channel[i]->gauges, in, in->channel[i]);
        counters_each(in->counters, collect, &m);
        qsort(m.view, m.count, sizeof *m.view, by_name);
        print_all(to, &m);
        print_groups(in, to);
        print_alerts(in, to);
        print_device(in, to);
        if (fclose(to) != 0) {
            free(text);
            text = NULL;
        }
    }
    free(m.view);
    rest_text(out, 200, "text/plain; version=0.0.4", text, size);
}
