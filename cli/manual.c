#include "cli/manual.h"

#include <string.h>

#include "cli/cli.h"

static const char *const exits[] = {"done", "refused, or found wrong", "wrong usage", "millraced does not answer"};

/* Text as roff takes it: no line may begin with a control character, a '-' is one to copy. */
static void print_roff(FILE *to, const char *text)
{
    bool is_start = true;
    for (const char *at = text; *at != '\0'; at++) {
        if (is_start && (*at == '.' || *at == '\'')) fputs("\\&", to);
        if (is_start && *at == ' ') continue; /* the table's own indentation */
        if (*at == '\\') fputs("\\e", to);
        else if (*at == '-') fputs("\\-", to);
        else fputc(*at, to);
        is_start = *at == '\n';
    }
    fputc('\n', to);
}

void manual_print_page(FILE *to)
{
    fputs(".TH MILLRACE 1 \"\" \"millrace " MILLRACE_VERSION "\" \"User Commands\"\n"
          ".SH NAME\nmillrace \\- channels of database changes, served to Kafka clients\n"
          ".SH SYNOPSIS\n.B millrace\n[\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIARGUMENT\\fR]...\n"
          ".SH DESCRIPTION\nmillrace talks to the REST API of millraced, which captures the changes of MySQL and "
          "MariaDB servers and serves them by the Kafka protocol.\n.SH OPTIONS\n", to);
    for (const struct cli_global *g = cli_globals; g->name != NULL; g++) {
        fputs(".TP\n\\fB", to);
        for (const char *at = g->name; *at != '\0'; at++) fprintf(to, "%s%c", *at == '-' ? "\\" : "", *at);
        fprintf(to, "\\fR%s%s%s\n", g->value == NULL ? "" : " \\fI", g->value == NULL ? "" : g->value,
                g->value == NULL ? "" : "\\fR");
        print_roff(to, g->what);
    }
    fputs(".SH COMMANDS\n", to);
    for (const struct cli_command *c = cli_commands; c->words != NULL; c++) {
        fprintf(to, ".TP\n\\fB%s\\fR ", c->words);
        for (const char *at = c->usage; *at != '\0'; at++) { /* one line, as .TP takes it */
            if (*at == '\n') {
                while (at[1] == ' ') at++;
                fputc(' ', to);
            } else {
                fprintf(to, "%s%c", *at == '-' ? "\\" : "", *at);
            }
        }
        fputc('\n', to);
        print_roff(to, c->what);
    }
    fputs(".SH EXIT STATUS\n", to);
    for (int i = 0; i < 4; i++) fprintf(to, ".TP\n%d\n%s\n", i, exits[i]);
    fputs(".SH SEE ALSO\nmillraced \\-\\-config\\-help\n", to);
}

/* The options that a usage names, each once. */
static void print_options(FILE *to, const char *usage)
{
    for (const char *at = strstr(usage, "--"); at != NULL; at = strstr(at + 2, "--")) {
        size_t size = strspn(at, "-abcdefghijklmnopqrstuvwxyz0123456789");
        if (size > 2) fprintf(to, " %.*s", (int)size, at);
    }
}

void manual_print_completion(FILE *to)
{
    fputs("# bash completion for millrace, made by millrace --print-completion\n"
          "_millrace()\n{\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} typed= word i\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        word=${COMP_WORDS[i]}\n"
          "        case $word in\n"
          "        ", to);
    const char *bar = "";
    for (const struct cli_global *g = cli_globals; g->name != NULL; g++) {
        if (g->value == NULL) continue;
        fprintf(to, "%s%s", bar, g->name);
        bar = "|";
    }
    fputs(") ((i++)) ;;\n"
          "        -*) ;;\n"
          "        *) typed=\"$typed$word \" ;;\n"
          "        esac\n"
          "    done\n"
          "    local commands=(", to);
    for (const struct cli_command *c = cli_commands; c->words != NULL; c++) fprintf(to, "\"%s\" ", c->words);
    fputs(")\n    local command next= options=\"", to);
    for (const struct cli_global *g = cli_globals; g->name != NULL; g++) fprintf(to, "%s ", g->name);
    fputs("\"\n"
          "    for command in \"${commands[@]}\"; do\n"
          "        if [[ \"$command \" == \"$typed\"* && \"$command \" != \"$typed\" ]]; then\n"
          "            word=${command:${#typed}}\n"
          "            next=\"$next ${word%% *}\"\n"
          "        fi\n"
          "        [[ \"$typed\" == \"$command \"* ]] || continue\n"
          "        case $command in\n", to);
    for (const struct cli_command *c = cli_commands; c->words != NULL; c++) {
        fprintf(to, "        \"%s\") options=\"$options", c->words);
        print_options(to, c->usage);
        fputs("\" ;;\n", to);
    }
    fputs("        esac\n"
          "    done\n"
          "    if [[ $current == -* ]]; then next=$options; fi\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$next\" -- \"$current\")\n"
          "}\n"
          "complete -o default -F _millrace millrace\n", to);
}
