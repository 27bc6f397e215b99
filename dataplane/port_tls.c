/* TLS above a port.
 *
 * Receiving: OpenSSL reads straight from the bytes of PORT_DATA and keeps what is not a whole record yet.  Only what
 * must wait for its turn, a handshake or room for plain text, is stashed.  Sending: messages are encrypted, record by
 * record, into one buffer a connection, which goes to the inner port as a message of ours; the next is filled when it
 * has come back.  So a peer that does not read holds one buffer. */
#include "dataplane/port_tls.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/log.h"
#include "dataplane/buffer_arena.h"
#include "dataplane/openssl.h"

enum {
    INNER_BURST      = 64,
    HANDSHAKES_A_POLL = 4,
    RECORD_BYTES_MAX = 16384,     /* plain text of one received record */
    PLAIN_BYTES      = INNER_BURST * (RECORD_BYTES_MAX + 4096) + RECORD_BYTES_MAX, /* what one inner poll may become */
    RECORD_SENT_BYTES = 15872,    /* of one sent: with all overhead, four fit in a large buffer and one in a small */
    RECORD_OVERHEAD_BYTES = 325,  /* a header, the longest MAC and padding of TLS 1.2 */
    BUFFER_LARGE_BYTES = 64 << 10,
    BUFFER_SMALL_BYTES = 16 << 10,
    STASH_BYTES_MIN  = 8 << 10,
    STASH_BYTES_MAX  = 2 << 20, /* when the peer is read no more, a MiB of the kernel's buffers may still come */
    STASH_PAUSE_BYTES = 16 << 10, /* above it the peer is not read */
    SUBJECT_BYTES    = 512,
    COMPLAINT_PAUSE_S = 1,
    HANDSHAKE_FIRST_BYTE = 22,
    SESSION_HEAP_BYTES = 56 << 10, /* OpenSSL's for one connection: 20 KiB, and a record each way */
};

struct tls_connection;

/* Encrypted bytes: being filled, or lent to the inner port. */
struct cipher {
    struct port_message message; /* first: a message of the inner port that comes back is a cipher */
    struct port_piece piece;
    struct tls_connection *owner;
    uint32_t used, size;
    uint8_t *bytes; /* behind this struct */
};

struct tls_connection {
    struct port_tls *port;
    SSL     *ssl; /* NULL until the first byte came, and without TLS */
    uint32_t slot, listener;
    bool     is_tls, is_open;
    bool     is_secured, has_failed, is_closing, is_broken; /* broken: what is sent is dropped */
    bool     is_paused, is_inner_paused, is_queued, wants_write, has_more; /* more: plain text that OpenSSL holds */
    const uint8_t *in; /* for OpenSSL to read, during a call of it */
    uint32_t in_bytes;
    uint8_t *stash; /* or NULL */
    uint32_t stash_start, stash_end;
    struct cipher *out;  /* being filled, or NULL */
    struct cipher *lent; /* to the inner port, or NULL */
    uint32_t messages;   /* lent to us and not yet told as released */
    struct port_message *first, *last; /* to encrypt, or whose last bytes are lent */
    struct tls_connection *next;       /* in a queue */
};

struct queue { struct tls_connection *first, *last; };

struct port_tls {
    struct port port;
    struct port *inner;
    const struct clock *clock;
    const struct tls_listener *listeners;
    uint32_t listener_count, connections_max;
    struct tls_connection *connections;
    struct buffer_arena arena, stashes; /* apart: what a peer sends never takes another's buffer to send */
    size_t   arena_bytes, stashes_bytes;
    BIO_METHOD *transport;
    struct queue handshakes, stashed;
    struct port_message *report_first, *report_last; /* sent or dropped, to be told */
    uint8_t *plain, *gather; /* PLAIN_BYTES, told until the next poll; a record that several pieces share */
    uint32_t plain_used;
    char     subject[HANDSHAKES_A_POLL][SUBJECT_BYTES];
    uint64_t complained_ns;
    bool     has_complained, is_cut; /* cut: a turn did not find room in the last poll */
};

static struct port_tls *tls_of(struct port *p) { return (struct port_tls *)p; }

/* --- OpenSSL's transport: memory --- */

static int transport_read(BIO *bio, char *out, int max)
{
    struct tls_connection *c = BIO_get_data(bio);
    uint32_t size = max < 0 ? 0 : (uint32_t)max < c->in_bytes ? (uint32_t)max : c->in_bytes;
    BIO_clear_retry_flags(bio);
    if (size == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, c->in, size);
    c->in += size;
    c->in_bytes -= size;
    return (int)size;
}

static struct cipher *cipher_take(struct port_tls *t, struct tls_connection *c)
{
    /* Large ones only from one half of the memory: the other has a small one for every connection. */
    bool is_roomy = t->arena.used_bytes + BUFFER_LARGE_BYTES <= t->arena_bytes / 2;
    uint32_t size = is_roomy && c->is_secured ? BUFFER_LARGE_BYTES : BUFFER_SMALL_BYTES;
    struct cipher *k = buffer_take(&t->arena, size);
    if (k == NULL) return NULL;
    *k = (struct cipher){.owner = c, .size = size - (uint32_t)sizeof *k, .bytes = (uint8_t *)(k + 1)};
    return k;
}

static int transport_write(BIO *bio, const char *bytes, int size)
{
    struct tls_connection *c = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (size <= 0) return 0;
    if (c->out == NULL && c->lent == NULL) c->out = cipher_take(c->port, c);
    uint32_t room = c->out == NULL ? 0 : c->out->size - c->out->used;
    if ((uint32_t)size < room) room = (uint32_t)size;
    if (room == 0) {
        BIO_set_retry_write(bio); /* when what is lent has come back */
        return -1;
    }
    memcpy(c->out->bytes + c->out->used, bytes, room);
    c->out->used += room;
    return (int)room;
}

static long transport_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* --- what is told to the caller --- */

static void report(struct port_tls *t, struct port_message *m)
{
    m->next = NULL;
    if (t->report_last == NULL) t->report_first = m;
    else t->report_last->next = m;
    t->report_last = m;
}

static unsigned reports_drain(struct port_tls *t, struct port_event *out, unsigned max)
{
    unsigned count = 0;
    while (t->report_first != NULL && count + 2 <= max) {
        struct port_message *m = t->report_first;
        struct tls_connection *c = m->connection;
        INVARIANT(c->messages > 0);
        c->messages--;
        t->report_first = m->next;
        if (t->report_first == NULL) t->report_last = NULL;
        if (m->is_sent) out[count++] = (struct port_event){.kind = PORT_SENT, .connection = c->slot, .message = m};
        out[count++] = (struct port_event){.kind = PORT_RELEASED, .connection = c->slot, .message = m};
    }
    return count;
}

static void messages_drop(struct port_tls *t, struct tls_connection *c)
{
    c->is_broken = true;
    while (c->first != NULL) {
        struct port_message *m = c->first;
        c->first = m->next;
        m->was_dropped = true;
        report(t, m);
    }
    c->last = NULL;
}

/* --- queues --- */

static void queue_put(struct queue *q, struct tls_connection *c)
{
    if (c->is_queued) return;
    c->is_queued = true;
    c->next = NULL;
    if (q->last == NULL) q->first = c;
    else q->last->next = c;
    q->last = c;
}

static struct tls_connection *queue_take(struct queue *q)
{
    struct tls_connection *c = q->first;
    if (c == NULL) return NULL;
    q->first = c->next;
    if (q->first == NULL) q->last = NULL;
    c->is_queued = false;
    return c;
}

/* Its turn comes in the next poll. */
static void go_on_later(struct port_tls *t, struct tls_connection *c)
{
    queue_put(c->is_secured ? &t->stashed : &t->handshakes, c);
}

static bool has_work(const struct tls_connection *c)
{
    if (c->wants_write && c->lent != NULL) return false; /* when that has come back */
    return c->is_open && c->is_tls && !c->has_failed && !c->is_closing &&
           (c->stash_end > c->stash_start || c->has_more || c->wants_write);
}

/* --- the end --- */

static void stash_free(struct port_tls *t, struct tls_connection *c)
{
    buffer_give(&t->stashes, c->stash);
    c->stash = NULL;
    c->stash_start = c->stash_end = 0;
}

static void lend(struct port_tls *t, struct tls_connection *c)
{
    struct cipher *k = c->out;
    if (k == NULL || c->lent != NULL) return;
    c->out = NULL;
    if (k->used == 0) {
        buffer_give(&t->arena, k);
        return;
    }
    k->piece = (struct port_piece){.bytes = k->bytes, .size = k->used};
    k->message = (struct port_message){.piece = &k->piece, .piece_count = 1, .may_copy_only = true};
    t->port.stats.encrypted_bytes += k->used;
    c->lent = k;
    port_send(t->inner, c->slot, &k->message);
}

static void inner_close(struct port_tls *t, struct tls_connection *c)
{
    port_close(t->inner, c->slot);
    messages_drop(t, c);
}

/* Ends it: once what is lent, an alert perhaps, has gone. */
static void end(struct port_tls *t, struct tls_connection *c)
{
    c->is_closing = true;
    stash_free(t, c);
    lend(t, c);
    if (c->lent == NULL) inner_close(t, c);
}

static void complain(struct port_tls *t, const struct tls_connection *c, const char *what, const char *why)
{
    char peer[PORT_PEER_BYTES];
    uint64_t now_ns = clock_monotonic_ns(t->clock);
    t->port.stats.handshakes_failed += !c->is_secured;
    if (t->has_complained && now_ns - t->complained_ns < (uint64_t)COMPLAINT_PAUSE_S * 1000000000) return;
    t->has_complained = true;
    t->complained_ns = now_ns;
    port_peer(t->inner, c->slot, peer);
    log_warn("dataplane", "listener %s: %s with %s: %s (such lines at most once a second; counted as "
             "tls_handshakes_failed)", t->listeners[c->listener].name, what, peer, why);
}

static void fail(struct port_tls *t, struct tls_connection *c, const char *what, const char *why)
{
    complain(t, c, what, why);
    c->has_failed = true;
    end(t, c);
}

static void fail_by_error(struct port_tls *t, struct tls_connection *c)
{
    char why[128];
    tls_error_text(why, sizeof why);
    fail(t, c, c->is_secured ? "lost a TLS connection" : "no TLS handshake", why);
}

/* What OpenSSL wants to send and cannot: it goes on when the buffer that is lent comes back.  None lent: never. */
static void check_wants_write(struct port_tls *t, struct tls_connection *c)
{
    if (c->wants_write && c->lent == NULL && !c->is_closing)
        fail(t, c, "gave up a TLS connection", "no buffer is free");
}

/* --- sending --- */

/* The next record's plain text: from one piece where it fills a record, else gathered from several.  *bytes: gather. */
static uint32_t record_take(struct port_tls *t, struct port_message *m, const uint8_t **bytes)
{
    uint32_t size = 0;
    while (m->piece_index < m->piece_count && size < RECORD_SENT_BYTES) {
        const struct port_piece *piece = &m->piece[m->piece_index];
        uint32_t rest = piece->size - m->piece_position, room = RECORD_SENT_BYTES - size;
        uint32_t now = rest < room ? rest : room;
        bool is_alone = size == 0 && (now == RECORD_SENT_BYTES || m->piece_index + 1 == m->piece_count);
        if (is_alone) *bytes = piece->bytes + m->piece_position;
        else memcpy(t->gather + size, piece->bytes + m->piece_position, now);
        size += now;
        m->piece_position += now;
        if (m->piece_position < piece->size) break;
        m->piece_position = 0;
        m->piece_index++;
        m->copied_pieces = m->piece_index;
        if (is_alone) break;
    }
    return size;
}

/* Encrypts what the messages hold into a buffer, and lends it. */
static void pump(struct port_tls *t, struct tls_connection *c)
{
    if (!c->is_secured || c->is_broken || c->is_closing || c->wants_write || c->lent != NULL) return;
    struct port_message *m = c->first;
    while (m != NULL) {
        if (m->piece_index == m->piece_count) {
            m = m->next;
            continue;
        }
        if (c->out == NULL && (c->out = cipher_take(t, c)) == NULL) break;
        if (c->out->size - c->out->used < RECORD_SENT_BYTES + RECORD_OVERHEAD_BYTES) break;
        const uint8_t *bytes = t->gather;
        uint32_t size = record_take(t, m, &bytes);
        ERR_clear_error();
        if (SSL_write(c->ssl, bytes, (int)size) != (int)size) {
            fail_by_error(t, c);
            return;
        }
    }
    if (m != NULL && c->out == NULL) fail(t, c, "gave up a TLS connection", "no buffer is free");
    else lend(t, c);
}

/* --- receiving --- */

/* Large ones only from one half of the memory, as in cipher_take: the other has a small one for every connection. */
static uint8_t *stash_take(struct port_tls *t, size_t size)
{
    if (size <= STASH_BYTES_MIN) return buffer_take(&t->stashes, STASH_BYTES_MIN);
    return t->stashes.used_bytes + 2 * size <= t->stashes_bytes / 2 ? buffer_take(&t->stashes, size) : NULL;
}

static enum err stash_add(struct port_tls *t, struct tls_connection *c, const uint8_t *bytes, uint32_t size)
{
    uint32_t held = c->stash_end - c->stash_start;
    if (c->stash != NULL && c->stash_start > 0) {
        memmove(c->stash, c->stash + c->stash_start, held);
        c->stash_start = 0;
        c->stash_end = held;
    }
    if (held + size > STASH_BYTES_MAX) return ERR_TOO_LARGE;
    if (c->stash == NULL || buffer_size(&t->stashes, c->stash) < held + size) {
        uint8_t *larger = stash_take(t, held + size);
        if (larger == NULL) return ERR_NO_MEMORY;
        if (held > 0) memcpy(larger, c->stash, held);
        buffer_give(&t->stashes, c->stash);
        c->stash = larger;
    }
    memcpy(c->stash + c->stash_end, bytes, size);
    c->stash_end += size;
    return ERR_OK;
}

static void pause_as_needed(struct port_tls *t, struct tls_connection *c)
{
    bool wanted = c->is_paused || c->stash_end - c->stash_start > STASH_PAUSE_BYTES;
    if (!c->is_open || wanted == c->is_inner_paused) return;
    c->is_inner_paused = wanted;
    if (wanted) port_pause(t->inner, c->slot);
    else port_resume(t->inner, c->slot);
}

/* For OpenSSL to read. */
static void stash_show(struct tls_connection *c)
{
    c->in_bytes = c->stash_end - c->stash_start;
    c->in = c->in_bytes == 0 ? NULL : c->stash + c->stash_start;
}

/* Keeps what OpenSSL did not take. */
static void stash_rest(struct port_tls *t, struct tls_connection *c, bool was_stash)
{
    if (was_stash) {
        c->stash_start = c->stash_end - c->in_bytes;
        if (c->in_bytes == 0) stash_free(t, c);
    } else if (c->in_bytes > 0 && stash_add(t, c, c->in, c->in_bytes) != ERR_OK) {
        fail(t, c, "gave up a TLS connection", "no buffer is free");
    }
    c->in = NULL;
    c->in_bytes = 0;
}

/* Decrypts what c->in holds, as far as there is room; returns the number of events, at most one. */
static unsigned decrypt(struct port_tls *t, struct tls_connection *c, struct port_event *event)
{
    uint8_t *start = t->plain + t->plain_used;
    uint32_t got = 0;
    int error = SSL_ERROR_NONE;
    c->has_more = c->wants_write = false;
    ERR_clear_error();
    for (;;) {
        uint32_t room = PLAIN_BYTES - t->plain_used - got;
        if (room < RECORD_BYTES_MAX) {
            c->has_more = c->in_bytes > 0 || SSL_has_pending(c->ssl) == 1;
            break;
        }
        int n = SSL_read(c->ssl, start + got, (int)room);
        if (n <= 0) {
            error = SSL_get_error(c->ssl, n);
            break;
        }
        got += (uint32_t)n;
    }
    t->plain_used += got;
    *event = (struct port_event){.kind = PORT_DATA, .connection = c->slot, .bytes = start, .size = got};
    c->wants_write = error == SSL_ERROR_WANT_WRITE;
    if (error == SSL_ERROR_ZERO_RETURN) { /* the peer's good-bye */
        end(t, c);
    } else if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        fail_by_error(t, c);
    }
    lend(t, c);
    check_wants_write(t, c);
    return got > 0;
}

static bool session_open(struct port_tls *t, struct tls_connection *c)
{
    BIO *transport = BIO_new(t->transport);
    c->ssl = tls_context_session(t->listeners[c->listener].context);
    if (transport == NULL || c->ssl == NULL) {
        BIO_free(transport);
        return false;
    }
    BIO_set_data(transport, c);
    BIO_set_init(transport, 1);
    SSL_set_bio(c->ssl, transport, transport);
    SSL_set_accept_state(c->ssl);
    return true;
}

/* The name in the peer's certificate, as RFC 2253 writes it; false: too long.  *is_there: there is one. */
static bool subject_of(SSL *ssl, char out[SUBJECT_BYTES], bool *is_there)
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    *is_there = certificate != NULL;
    if (certificate == NULL) return true;
    BIO *text = BIO_new(BIO_s_mem());
    if (text == NULL) return false;
    unsigned long style = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB; /* UTF-8 as it is, as Java shows it */
    X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, style);
    char *bytes;
    long size = BIO_get_mem_data(text, &bytes);
    bool fits = size > 0 && size < SUBJECT_BYTES && memchr(bytes, '\0', (size_t)size) == NULL;
    if (fits) memcpy(out, bytes, (size_t)size);
    if (fits) out[size] = '\0';
    BIO_free(text);
    return fits;
}

/* One step of a handshake, and the first bytes behind it; returns the number of events, at most two. */
static unsigned handshake(struct port_tls *t, struct tls_connection *c, char subject[SUBJECT_BYTES],
                          struct port_event *out)
{
    ERR_clear_error();
    if (c->ssl == NULL && !session_open(t, c)) {
        fail_by_error(t, c);
        return 0;
    }
    stash_show(c);
    int rc = SSL_do_handshake(c->ssl);
    unsigned count = 0;
    bool has_subject = false;
    int error = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, rc);
    c->wants_write = error == SSL_ERROR_WANT_WRITE;
    if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        fail_by_error(t, c);
        return 0;
    }
    if (error == SSL_ERROR_NONE && !subject_of(c->ssl, subject, &has_subject)) {
        fail(t, c, "no TLS handshake", "the subject of its certificate is longer than 511 bytes");
        return 0;
    }
    if (error == SSL_ERROR_NONE) {
        c->is_secured = true;
        t->port.stats.handshakes++;
        out[count++] = (struct port_event){.kind = PORT_SECURED, .connection = c->slot,
                                           .subject = has_subject ? subject : NULL};
        lend(t, c);
        if (c->in_bytes > 0) count += decrypt(t, c, out + count);
    }
    if (!c->is_closing) stash_rest(t, c, true);
    lend(t, c);
    check_wants_write(t, c);
    return count;
}

static unsigned on_data(struct port_tls *t, struct tls_connection *c, const uint8_t *bytes, uint32_t size,
                        struct port_event *event)
{
    if (c->has_failed || c->is_closing) return 0;
    if (c->ssl == NULL && c->stash == NULL && bytes[0] != HANDSHAKE_FIRST_BYTE) {
        fail(t, c, "no TLS handshake",
             "the client speaks plain text: let it use security.protocol SSL or SASL_SSL, or another listener");
        return 0;
    }
    if (c->is_secured && c->stash == NULL && !c->has_more && !c->wants_write) { /* paused: what was on its way */
        c->in = bytes;
        c->in_bytes = size;
        unsigned count = decrypt(t, c, event);
        if (!c->is_closing) stash_rest(t, c, false);
        if (has_work(c)) go_on_later(t, c);
        return count;
    }
    enum err e = stash_add(t, c, bytes, size);
    if (e != ERR_OK) {
        fail(t, c, "gave up a TLS connection", e == ERR_NO_MEMORY ? "no buffer is free" : "it sends without end");
        return 0;
    }
    pause_as_needed(t, c);
    go_on_later(t, c);
    return 0;
}

/* Handshakes, and what was stashed. */
static unsigned turns_run(struct port_tls *t, struct port_event *out, unsigned max)
{
    unsigned count = 0;
    for (unsigned i = 0; i < HANDSHAKES_A_POLL && count + 2 <= max; i++) {
        struct tls_connection *c = queue_take(&t->handshakes);
        if (c == NULL) break;
        if (has_work(c) && !c->is_secured) count += handshake(t, c, t->subject[i], out + count);
        if (has_work(c) && c->is_secured) go_on_later(t, c);
        pause_as_needed(t, c);
    }
    t->is_cut = count + 2 > max && t->handshakes.first != NULL;
    struct queue taken = t->stashed;
    t->stashed = (struct queue){NULL, NULL};
    for (struct tls_connection *c = queue_take(&taken); c != NULL; c = queue_take(&taken)) {
        if (!has_work(c)) continue;
        if (!c->is_secured) { /* another one, in the slot of who was queued here */
            go_on_later(t, c);
            continue;
        }
        if (c->is_paused && !c->wants_write) continue;
        if (count + 2 > max || PLAIN_BYTES - t->plain_used < RECORD_BYTES_MAX) {
            queue_put(&t->stashed, c);
            t->is_cut = true;
            continue;
        }
        bool was_stash = c->stash != NULL;
        stash_show(c);
        count += decrypt(t, c, out + count);
        if (!c->is_closing) stash_rest(t, c, was_stash);
        pump(t, c);
        if (has_work(c)) queue_put(&t->stashed, c);
        pause_as_needed(t, c);
    }
    return count;
}

/* --- messages --- */

/* A buffer came back. */
static void on_released(struct port_tls *t, struct tls_connection *c, struct cipher *k)
{
    bool was_dropped = k->message.was_dropped;
    INVARIANT(c->lent == k);
    c->lent = NULL;
    buffer_give(&t->arena, k);
    if (was_dropped) {
        messages_drop(t, c);
        return;
    }
    while (c->first != NULL && c->first->piece_index == c->first->piece_count) {
        struct port_message *m = c->first;
        c->first = m->next;
        if (c->first == NULL) c->last = NULL;
        m->is_sent = true;
        report(t, m);
    }
    if (c->is_closing) {
        lend(t, c);
        if (c->lent == NULL) inner_close(t, c);
    } else if (c->wants_write) {
        go_on_later(t, c);
    } else {
        pump(t, c);
    }
}

static void tls_send(struct port *p, uint32_t slot, struct port_message *m)
{
    struct port_tls *t = tls_of(p);
    struct tls_connection *c = &t->connections[slot];
    if (!c->is_tls) {
        port_send(t->inner, slot, m);
        return;
    }
    INVARIANT(c->is_open && m->piece_count > 0);
    port_message_begin(m, c);
    c->messages++;
    if (c->last == NULL) c->first = m;
    else c->last->next = m;
    c->last = m;
    if (c->is_broken || c->is_closing) messages_drop(t, c);
    else pump(t, c);
}

/* --- the port's operations --- */

static void connection_begin(struct port_tls *t, const struct port_event *e)
{
    struct tls_connection *c = &t->connections[e->connection];
    bool is_queued = c->is_queued; /* by the slot's former user: it is passed over there */
    struct tls_connection *next = c->next;
    INVARIANT(e->listener < t->listener_count);
    *c = (struct tls_connection){.port = t, .slot = e->connection, .listener = e->listener, .is_open = true,
                                 .is_tls = t->listeners[e->listener].context != NULL,
                                 .is_queued = is_queued, .next = next};
}

static void connection_end(struct port_tls *t, struct tls_connection *c)
{
    INVARIANT(c->lent == NULL && c->messages == 0);
    stash_free(t, c);
    buffer_give(&t->arena, c->out);
    SSL_free(c->ssl);
    c->out = NULL;
    c->ssl = NULL;
    c->is_open = c->is_tls = false;
}

static unsigned translate(struct port_tls *t, const struct port_event *e, struct port_event *out)
{
    struct tls_connection *c = &t->connections[e->connection];
    if (e->kind == PORT_ACCEPTED) connection_begin(t, e);
    if (!c->is_tls || e->kind == PORT_ACCEPTED) {
        *out = *e;
        if (e->kind == PORT_CLOSED) c->is_open = false;
        return 1;
    }
    switch (e->kind) {
    case PORT_DATA: return on_data(t, c, e->bytes, e->size, out);
    case PORT_RELEASED: on_released(t, c, (struct cipher *)e->message); return 0;
    case PORT_CLOSED:
        *out = (struct port_event){.kind = PORT_CLOSED, .connection = c->slot, .has_failed = c->has_failed};
        connection_end(t, c);
        return 1;
    default: return 0; /* PORT_SENT of ours: what comes back counts */
    }
}

/* The inner port ends a connection in the poll behind its last other events, and so do we: all that these brought is
 * told before the inner port is asked again.  What found no room is told first, in a poll that does not ask it. */
static unsigned tls_poll(struct port *p, struct port_event *out, unsigned max)
{
    struct port_tls *t = tls_of(p);
    struct port_event inner[INNER_BURST];
    t->plain_used = 0;
    bool is_behind = t->report_first != NULL || t->is_cut;
    unsigned count = reports_drain(t, out, max);
    unsigned inner_count = is_behind ? 0 : port_poll(t->inner, inner, max < INNER_BURST ? max : INNER_BURST);
    for (unsigned i = 0; i < inner_count; i++) count += translate(t, &inner[i], out + count);
    count += turns_run(t, out + count, max - count);
    count += reports_drain(t, out + count, max - count);
    uint64_t handshakes = t->port.stats.handshakes, failed = t->port.stats.handshakes_failed;
    uint64_t encrypted_bytes = t->port.stats.encrypted_bytes;
    t->port.stats = t->inner->stats;
    t->port.stats.handshakes = handshakes;
    t->port.stats.handshakes_failed = failed;
    t->port.stats.encrypted_bytes = encrypted_bytes;
    t->port.stats.buffer_bytes = t->arena.used_bytes + t->stashes.used_bytes;
    return count;
}

static void tls_wait(struct port *p, uint64_t timeout_ns)
{
    struct port_tls *t = tls_of(p);
    if (t->report_first == NULL && t->handshakes.first == NULL && t->stashed.first == NULL)
        port_wait(t->inner, timeout_ns);
}

static void tls_pause(struct port *p, uint32_t slot)
{
    struct port_tls *t = tls_of(p);
    struct tls_connection *c = &t->connections[slot];
    c->is_paused = true;
    pause_as_needed(t, c);
}

static void tls_resume(struct port *p, uint32_t slot)
{
    struct port_tls *t = tls_of(p);
    struct tls_connection *c = &t->connections[slot];
    c->is_paused = false;
    if (has_work(c)) go_on_later(t, c);
    pause_as_needed(t, c);
}

static uint32_t tls_handed(const struct port *p, uint32_t slot, const struct port_message *m)
{
    const struct port_tls *t = (const struct port_tls *)p;
    return t->connections[slot].is_tls ? m->copied_pieces : port_handed(t->inner, slot, m);
}

static void tls_close(struct port *p, uint32_t slot)
{
    struct port_tls *t = tls_of(p);
    struct tls_connection *c = &t->connections[slot];
    bool is_idle = c->first == NULL && c->lent == NULL && c->is_secured && !c->has_failed && !c->is_closing;
    if (c->is_tls && c->is_open && is_idle) {
        ERR_clear_error();
        SSL_shutdown(c->ssl); /* close_notify */
        end(t, c);
        return;
    }
    port_close(t->inner, slot);
    if (!c->is_tls || !c->is_open) return;
    c->is_closing = true;
    stash_free(t, c);
    if (c->lent == NULL) messages_drop(t, c); /* else when it has come back */
}

static void tls_peer(const struct port *p, uint32_t slot, char out[PORT_PEER_BYTES])
{
    port_peer(((const struct port_tls *)p)->inner, slot, out);
}

static unsigned tls_watch(struct port *p, int fd) { return port_watch(tls_of(p)->inner, fd); }
static bool tls_watch_take(struct port *p, unsigned watch) { return port_watch_take(tls_of(p)->inner, watch); }
static void tls_stop(struct port *p) { port_stop(tls_of(p)->inner); }

static void tls_fini(struct port *p)
{
    struct port_tls *t = tls_of(p);
    port_fini(t->inner); /* which may still read what is lent */
    for (uint32_t i = 0; i < t->connections_max; i++) SSL_free(t->connections[i].ssl);
    BIO_meth_free(t->transport);
    buffer_arena_fini(&t->arena);
    buffer_arena_fini(&t->stashes);
    free(t->connections);
    free(t->plain);
    free(t->gather);
    free(t);
}

static const struct port_operations tls_operations = {
    tls_poll, tls_wait, tls_send, tls_pause, tls_resume, tls_handed, tls_close, tls_peer, tls_watch, tls_watch_take,
    tls_stop, tls_fini,
};

/* Twice a small buffer for each connection, see cipher_take and stash_take, and room to be fast. */
static size_t arena_bytes(uint32_t connections_max, uint32_t small_bytes)
{
    size_t wanted = (size_t)connections_max * small_bytes * 2 + (8u << 20), rounded = 1;
    while (rounded < wanted) rounded *= 2;
    return rounded;
}

enum err port_tls_open(struct port **out, struct port *inner, const struct tls_listener *listeners,
                       uint32_t listener_count, uint32_t connections_max, const struct clock *clock,
                       struct err_msg *msg)
{
    struct port_tls *t = calloc(1, sizeof *t);
    if (t == NULL) {
        port_fini(inner);
        return err_set(msg, ERR_NO_MEMORY, "no memory for TLS with %u connections", connections_max);
    }
    *t = (struct port_tls){.port = {.operations = &tls_operations, .kind = "tls", .below = {inner}},
                           .inner = inner, .clock = clock, .listeners = listeners,
                           .listener_count = listener_count,
                           .arena_bytes = arena_bytes(connections_max, BUFFER_SMALL_BYTES),
                           .stashes_bytes = arena_bytes(connections_max, STASH_BYTES_MIN)};
    t->connections = calloc(connections_max, sizeof *t->connections);
    t->connections_max = t->connections == NULL ? 0 : connections_max;
    t->plain = malloc(PLAIN_BYTES);
    t->gather = malloc(RECORD_SENT_BYTES);
    t->transport = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "millrace port");
    enum err e = buffer_arena_init(&t->arena, t->arena_bytes);
    if (e == ERR_OK) e = buffer_arena_init(&t->stashes, t->stashes_bytes);
    if (e != ERR_OK || t->connections == NULL || t->plain == NULL || t->gather == NULL || t->transport == NULL) {
        tls_fini(&t->port);
        return err_set(msg, ERR_NO_MEMORY, "no memory for TLS with %u connections", connections_max);
    }
    BIO_meth_set_read(t->transport, transport_read);
    BIO_meth_set_write(t->transport, transport_write);
    BIO_meth_set_ctrl(t->transport, transport_control);
    *out = &t->port;
    return ERR_OK;
}

size_t port_tls_memory_bytes(uint32_t connections_max)
{
    return sizeof(struct port_tls) + PLAIN_BYTES + RECORD_SENT_BYTES +
           arena_bytes(connections_max, BUFFER_SMALL_BYTES) + arena_bytes(connections_max, STASH_BYTES_MIN) +
           connections_max * (sizeof(struct tls_connection) + (size_t)SESSION_HEAP_BYTES);
}
