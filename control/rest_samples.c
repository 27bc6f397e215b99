/* /v1/channels/NAME/samples: a working consumer in each language, with this channel's address, topic and group filled
 * in.  The programs are those of docs/clients, which tests run.  The password is never filled in: it is not kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/channel.h"
#include "control/rest.h"
#include "control/samples.h"

static json_t *files_json(const char *language)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sample_file_count; i++)
        if (sample_files[i].language[0] == '\0' || strcmp(sample_files[i].language, language) == 0)
            json_array_append_new(list, json_string(sample_files[i].name));
    return list;
}

void rest_samples_list(struct instance *in, const struct rest_request *request, const char *name,
                       struct rest_response *out)
{
    (void)request;
    const char *last = "";
    if (rest_find_channel(in, name, out) == NULL) return;
    json_t *list = json_array();
    for (size_t i = 0; i < sample_file_count; i++) {
        const char *language = sample_files[i].language;
        if (language[0] == '\0' || strcmp(language, last) == 0) continue;
        json_array_append_new(list, json_pack("{s:s, s:o}", "language", language, "files", files_json(language)));
        last = language;
    }
    rest_json(out, 200, json_pack("{s:s, s:o}", "channel", name, "samples", list));
}

/* `name` NULL: the language's program.  NULL: there is none. */
static const struct sample_file *find_file(const char *language, const char *name, bool *is_program)
{
    bool is_language = false;
    for (size_t i = 0; i < sample_file_count; i++) {
        const struct sample_file *f = &sample_files[i];
        bool is_its_own = strcmp(f->language, language) == 0, is_first = is_its_own && !is_language;
        is_language = is_language || is_its_own;
        if (!is_language || (!is_its_own && f->language[0] != '\0')) continue;
        if (name == NULL || strcmp(f->name, name) == 0) {
            *is_program = is_first;
            return f;
        }
    }
    return NULL;
}

/* --- what is filled in --- */

enum { VALUE_BYTES = 600, VALUES = 5 };

struct values { /* NULL: the placeholder stays */
    const char *placeholder[VALUES];
    const char *value[VALUES];
    char address[VALUE_BYTES], user[VALUE_BYTES];
};

/* Between double quotes this stands for itself in every language. */
static bool is_plain(const char *text)
{
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:[]")] == '\0';
}

static bool fits(const struct config_listener *l, bool has_login)
{
    return (strcmp(l->authentication, "required") == 0) == has_login && strcmp(l->client_certificates, "required") != 0;
}

/* The first listener that asks for a login if there is one to give, the first of all when none fits. */
static uint32_t choose_listener(const struct config *c, bool has_login)
{
    for (uint32_t i = 0; i < c->listener_count; i++)
        if (fits(&c->listeners[i], has_login)) return i;
    return 0;
}

static void set_values(const struct instance *in, const char *channel, const char *group, const struct account *who,
                       struct values *v)
{
    *v = (struct values){.placeholder = {"\"ADDRESS\"", "\"TOPIC\"", "\"GROUP\"", "\"USER\"", "\"PROTOCOL\""}};
    uint32_t number = choose_listener(&in->config, group == NULL || who != NULL);
    const struct config_listener *l = &in->config.listeners[number];
    const char *host = l->advertised_host[0] == '\0' ? l->address : l->advertised_host;
    int port = l->advertised_port != 0      ? (int)l->advertised_port
               : in->dataplane == NULL ? (int)l->port
                                       : (int)dataplane_port(in->dataplane, number);
    snprintf(v->address, sizeof v->address, strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, port);
    if (who != NULL) snprintf(v->user, sizeof v->user, "%s-%s", who->name, who->group_id);
    bool by_login = strcmp(l->authentication, "required") == 0, by_tls = l->tls_certificate[0] != '\0';
    v->value[0] = is_plain(v->address) ? v->address : NULL;
    v->value[1] = channel;
    v->value[2] = group;
    v->value[3] = who == NULL ? NULL : v->user;
    v->value[4] = by_login ? (by_tls ? "SASL_SSL" : "SASL_PLAINTEXT") : by_tls ? "SSL" : "PLAINTEXT";
}

/* The file's text with the values between the quotes; NULL: no memory.  The caller frees. */
static char *fill_in(const struct sample_file *file, const struct values *v, size_t *size)
{
    size_t room = file->size + VALUES * (VALUE_BYTES + 2) + 1;
    char *filled = malloc(room), *text = malloc(file->size + 1);
    if (filled == NULL || text == NULL) {
        free(filled);
        free(text);
        return NULL;
    }
    memcpy(text, file->text, file->size);
    text[file->size] = '\0';
    char *to = filled;
    for (const char *at = text; *at != '\0';) {
        int which = 0;
        while (which < VALUES && (v->value[which] == NULL ||
                                  strncmp(at, v->placeholder[which], strlen(v->placeholder[which])) != 0))
            which++;
        if (which == VALUES) {
            *to++ = *at++;
            continue;
        }
        to += snprintf(to, room - (size_t)(to - filled), "\"%s\"", v->value[which]);
        at += strlen(v->placeholder[which]);
    }
    *size = (size_t)(to - filled);
    free(text);
    return filled;
}

/* The group's account, NULL when it has none.  False: there can be no such group, which was answered. */
static bool take_group(const struct instance *in, const char *channel, const char *group, const struct account **who,
                       struct rest_response *out)
{
    *who = group == NULL ? NULL : accounts_find_group(&in->accounts, group);
    if (*who != NULL && strcmp((*who)->channel, channel) != 0) *who = NULL;
    if (group == NULL || *who != NULL) return true;
    const struct config_listener *l = &in->config.listeners[choose_listener(&in->config, false)];
    if (strcmp(l->authentication, "required") == 0) {
        rest_problem(out, 404, "channel %s has no group %s with an account, and its listeners ask for a login: create "
                     "the group first", channel, group);
        return false;
    }
    if (group[0] != '\0' && strlen(group) <= ACCOUNT_GROUP_MAX && is_plain(group)) return true;
    rest_problem(out, 400, "?group= takes 1 to %d letters, digits, '.', '_' and '-'", ACCOUNT_GROUP_MAX);
    return false;
}

void rest_sample_get(struct instance *in, const struct rest_request *request, const char *name,
                     struct rest_response *out)
{
    const char *group = request->query(request->carrier, "group"), *wanted = request->query(request->carrier, "file");
    const struct account *who;
    bool is_program = false;
    if (rest_find_channel(in, name, out) == NULL || !take_group(in, name, group, &who, out)) return;
    const struct sample_file *file = find_file(request->item, wanted, &is_program);
    if (file == NULL) {
        rest_problem(out, 404, "there is no such sample; GET /v1/channels/%s/samples lists the languages and their "
                     "files", name);
        return;
    }
    struct values v;
    set_values(in, name, group, who, &v);
    size_t size = file->size;
    char *text = is_program ? fill_in(file, &v, &size) : malloc(size);
    if (text != NULL && !is_program) memcpy(text, file->text, size);
    rest_text(out, 200, "text/plain; charset=utf-8", text, size);
}
