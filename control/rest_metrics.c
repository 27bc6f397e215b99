/* GET /metrics: the counter file as Prometheus text (exposition format 0.0.4).  Histograms become summaries: the file
 * has some thousand buckets each, too many for a scrape. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/rest.h"
#include "control/version.h"

enum { METRICS_MAX = 8192 };

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

void rest_metrics(struct instance *in, const struct rest_request *request, const char *name, struct rest_response *out)
{
    (void)request, (void)name;
    struct metrics m = {calloc(METRICS_MAX, sizeof(struct counter_view)), 0};
    char *text = NULL;
    size_t size = 0;
    FILE *to = m.view == NULL ? NULL : open_memstream(&text, &size);
    if (to != NULL) {
        counters_each(in->counters, collect, &m);
        qsort(m.view, m.count, sizeof *m.view, by_name);
        print_all(to, &m);
        if (fclose(to) != 0) {
            free(text);
            text = NULL;
        }
    }
    free(m.view);
    rest_text(out, 200, "text/plain; version=0.0.4", text, size);
}
