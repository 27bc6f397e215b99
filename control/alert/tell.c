/* The ways to a target: HTTP and SMTP by libcurl, a program by posix_spawn. */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control/alert/target.h"
#include "control/version.h"
#include "dataplane/openssl.h"

enum { CONNECT_TIMEOUT_S = 5, PROGRAM_LOOK_MS = 100 };

/* --- HTTP and SMTP --- */

static int give_up(void *stopping, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load((const _Atomic bool *)stopping) ? 1 : 0;
}

static size_t drop(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes, (void)context;
    return size * count;
}

static CURL *transfer_new(const char *url, const _Atomic bool *stopping, char why[CURL_ERROR_SIZE])
{
    CURL *curl = curl_easy_init();
    if (curl == NULL) return NULL;
    why[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L); /* a resolver that hangs must not hold up who stops us */
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,smtp,smtps");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L); /* a signed notice goes where the operator said */
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)ALERT_TELL_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, give_up);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, (void *)(uintptr_t)stopping);
    return curl;
}

static enum err transfer_run(CURL *curl, const struct alert_target *t, const char *why, struct err_msg *msg)
{
    CURLcode rc = curl_easy_perform(curl);
    if (rc != CURLE_OK)
        return err_set(msg, ERR_CONNECT, "%.*s: %s", alert_url_origin(t->url), t->url,
                       why[0] == '\0' ? curl_easy_strerror(rc) : why);
    return ERR_OK;
}

static void sign(const char *secret, const char *timestamp, const char *body, char out[2 * EVP_MAX_MD_SIZE + 1])
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    size_t text_bytes = strlen(timestamp) + 1 + strlen(body);
    char *text = malloc(text_bytes + 1);
    out[0] = '\0';
    if (text == NULL) return; /* an empty signature is refused by the receiver, and tried again */
    snprintf(text, text_bytes + 1, "%s.%s", timestamp, body);
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const uint8_t *)text, text_bytes, mac, &size);
    for (unsigned i = 0; i < size; i++) snprintf(out + 2 * i, 3, "%02x", mac[i]);
    free(text);
}

static struct curl_slist *webhook_headers(const struct alert_target *t, const struct alert_notice *notice,
                                          const char *body)
{
    char line[2 * EVP_MAX_MD_SIZE + 64], timestamp[24], signature[2 * EVP_MAX_MD_SIZE + 1];
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    list = curl_slist_append(list, "User-Agent: millrace/" MILLRACE_VERSION);
    snprintf(line, sizeof line, "X-Millrace-Delivery: %s", notice->id);
    list = curl_slist_append(list, line);
    snprintf(timestamp, sizeof timestamp, "%lld", (long long)time(NULL));
    snprintf(line, sizeof line, "X-Millrace-Timestamp: %s", timestamp);
    list = curl_slist_append(list, line);
    if (t->secret[0] == '\0') return list;
    sign(t->secret, timestamp, body, signature);
    snprintf(line, sizeof line, "X-Millrace-Signature: sha256=%s", signature);
    return curl_slist_append(list, line);
}

static enum err tell_webhook(const struct alert_target *t, const struct alert_notice *notice, const char *body,
                             const _Atomic bool *stopping, struct err_msg *msg)
{
    char why[CURL_ERROR_SIZE];
    long status = 0;
    CURL *curl = transfer_new(t->url, stopping, why);
    if (curl == NULL) return err_set(msg, ERR_CONNECT, "no memory");
    struct curl_slist *headers = webhook_headers(t, notice, body);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    enum err e = transfer_run(curl, t, why, msg);
    if (e == ERR_OK) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (e == ERR_OK && (status < 200 || status > 299))
        e = err_set(msg, ERR_CONNECT, "%.*s answered with HTTP status %ld", alert_url_origin(t->url), t->url, status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return e;
}

static enum err tell_mail(const struct alert_target *t, const struct alert_notice *notice,
                          const _Atomic bool *stopping, struct err_msg *msg)
{
    char why[CURL_ERROR_SIZE];
    const char *to[ALERT_RECIPIENTS_MAX];
    struct curl_slist *recipients = NULL;
    for (unsigned i = 0; i < t->to_count; i++) {
        to[i] = t->to[i];
        recipients = curl_slist_append(recipients, t->to[i]);
    }
    CURL *curl = transfer_new(t->url, stopping, why);
    char *mail = alert_notice_mail(notice, t->from, to, t->to_count);
    FILE *text = mail == NULL ? NULL : fmemopen(mail, strlen(mail), "r");
    enum err e = curl == NULL || text == NULL ? err_set(msg, ERR_CONNECT, "no memory") : ERR_OK;
    if (e == ERR_OK) {
        curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)(t->must_encrypt ? CURLUSESSL_ALL : CURLUSESSL_TRY));
        curl_easy_setopt(curl, CURLOPT_MAIL_FROM, t->from);
        curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
        curl_easy_setopt(curl, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L); /* one mailbox that is gone silences nobody else */
        if (t->user[0] != '\0') curl_easy_setopt(curl, CURLOPT_USERNAME, t->user);
        if (t->user[0] != '\0') curl_easy_setopt(curl, CURLOPT_PASSWORD, t->secret);
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READDATA, text); /* read by libcurl's own fread */
        e = transfer_run(curl, t, why, msg);
    }
    if (text != NULL) fclose(text);
    free(mail);
    curl_slist_free_all(recipients);
    if (curl != NULL) curl_easy_cleanup(curl);
    return e;
}

/* --- a program --- */

/* The body as the program's standard input: a file in memory, so that nobody waits for a program that does not read. */
static int body_file(const char *body)
{
    int fd = memfd_create("millrace-alert", MFD_CLOEXEC);
    size_t size = strlen(body);
    if (fd >= 0 && (write(fd, body, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* In a process group of its own, with no signal blocked and nothing of our environment but PATH. */
static int spawn(const char *path, const char *name, int in, pid_t *pid)
{
    char *const arguments[] = {(char *)(uintptr_t)name, NULL};
    char search[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    char *const environment[] = {search, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&files) != 0) return ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return ENOMEM;
    }
    posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int rc = posix_spawn(pid, path, &files, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* The exit status as of waitpid; -1: it took too long, or we are stopping, and was killed. */
static int wait_for(pid_t pid, const _Atomic bool *stopping)
{
    int status = 0;
    for (int left_ms = ALERT_TELL_TIMEOUT_S * 1000; left_ms > 0 && !atomic_load(stopping); left_ms -= PROGRAM_LOOK_MS) {
        if (waitpid(pid, &status, WNOHANG) == pid) return status;
        nanosleep(&(struct timespec){.tv_nsec = PROGRAM_LOOK_MS * 1000000L}, NULL);
    }
    kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
    return -1;
}

static enum err tell_program(const struct alert_target *t, const char *folder, const char *body,
                             const _Atomic bool *stopping, struct err_msg *msg)
{
    char path[1200];
    pid_t pid;
    if (folder[0] == '\0')
        return err_set(msg, ERR_INVALID, "no program can be run: set alert_programs_folder in the configuration");
    snprintf(path, sizeof path, "%s/%s", folder, t->program);
    int in = body_file(body);
    if (in < 0) return err_set(msg, ERR_CONNECT, "%s: no file for its input: %s", path, strerror(errno));
    int rc = spawn(path, t->program, in, &pid);
    close(in);
    if (rc != 0) return err_set(msg, ERR_CONNECT, "cannot run %s: %s", path, strerror(rc));
    int status = wait_for(pid, stopping);
    if (status == -1) return err_set(msg, ERR_CONNECT, "%s did not end within %d s", path, ALERT_TELL_TIMEOUT_S);
    if (WIFSIGNALED(status)) return err_set(msg, ERR_CONNECT, "%s was ended by signal %d", path, WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return err_set(msg, ERR_CONNECT, "%s ended with status %d", path, WEXITSTATUS(status));
    return ERR_OK;
}

static void libcurl_init(void) { curl_global_init(CURL_GLOBAL_DEFAULT); } /* before its first use in any thread */

enum err alert_target_tell(const struct alert_target *t, const char *programs_folder,
                           const struct alert_notice *notice, const _Atomic bool *stopping, struct err_msg *msg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, libcurl_init);
    if (t->kind == ALERT_MAIL) return tell_mail(t, notice, stopping, msg);
    json_t *json = alert_notice_json(notice);
    char *body = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (body == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory");
    enum err e = t->kind == ALERT_WEBHOOK ? tell_webhook(t, notice, body, stopping, msg)
                                          : tell_program(t, programs_folder, body, stopping, msg);
    free(body);
    return e;
}
