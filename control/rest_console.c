/* GET / and /console/FILE: the web page (console/), compiled in.  It holds no data and no secret: what it shows it asks
 * of the API, as its user, so the page itself needs no login. */
#include <stdlib.h>
#include <string.h>

#include "control/console_files.h"
#include "control/rest.h"

/* Nothing but our own files, no inline script or style, no frame around us: what a source's rows hold can neither run
 * nor be sent away.  Content Security Policy Level 3; "img-src data:" is for the style sheet's own small drawings. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                             "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

static void answer_file(const char *name, struct rest_response *out)
{
    for (size_t i = 0; i < console_file_count; i++) {
        const struct console_file *file = &console_files[i];
        if (strcmp(file->name, name) != 0) continue;
        char *copy = malloc(file->size);
        if (copy != NULL) memcpy(copy, file->bytes, file->size);
        rest_text(out, 200, file->content_type, copy, file->size);
        out->policy = policy;
        return;
    }
    rest_problem(out, 404, "the console has no such file; it begins at /");
}

void rest_console_page(struct instance *in, const struct rest_request *request, const char *name,
                       struct rest_response *out)
{
    (void)in, (void)request, (void)name;
    answer_file("index.html", out);
}

void rest_console_file(struct instance *in, const struct rest_request *request, const char *name,
                       struct rest_response *out)
{
    (void)in, (void)request;
    answer_file(name, out);
}
