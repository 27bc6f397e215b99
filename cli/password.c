#include "cli/password.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"

/* `what`: "the password file F", in messages. */
static int read_line(FILE *from, const char *what, char *out, size_t out_bytes)
{
    bool got = fgets(out, (int)out_bytes, from) != NULL;
    bool is_cut = got && strchr(out, '\n') == NULL && !feof(from);
    if (!got || is_cut) return cli_fail(CLI_FAILED, "%s %s", what, got ? "has too long a line" : "is empty");
    out[strcspn(out, "\r\n")] = '\0';
    return CLI_OK;
}

int password_from_file(const char *path, char *out, size_t out_bytes)
{
    char what[300];
    if (strcmp(path, "-") == 0) return read_line(stdin, "stdin", out, out_bytes);
    FILE *f = fopen(path, "re");
    if (f == NULL) return cli_fail(CLI_FAILED, "cannot open the password file %s: %s", path, strerror(errno));
    snprintf(what, sizeof what, "the password file %s", path);
    int code = read_line(f, what, out, out_bytes);
    fclose(f);
    return code;
}

/* Without showing what is typed. */
static int ask(const char *prompt, char *out, size_t out_bytes)
{
    struct termios before, silent;
    bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    fputs(prompt, stderr);
    if (is_terminal) tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    int code = read_line(stdin, "the password", out, out_bytes);
    if (is_terminal) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return code;
}

int password_take(const char *path, const char *variable, char *out, size_t out_bytes)
{
    const char *from_environment = getenv(variable);
    if (path != NULL) return password_from_file(path, out, out_bytes);
    if (from_environment != NULL) {
        if (strlen(from_environment) >= out_bytes) return cli_fail(CLI_FAILED, "$%s is too long", variable);
        snprintf(out, out_bytes, "%s", from_environment);
        return CLI_OK;
    }
    if (isatty(STDIN_FILENO)) return ask("password: ", out, out_bytes);
    return read_line(stdin, "stdin", out, out_bytes);
}
