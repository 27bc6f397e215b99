/* Goal: the TLS filter carries the same bytes as the port below it, whatever the network does to them: torn at every
 * byte, sent in portions, a peer that does not read, garbage, plain text, a good-bye; every message comes back once;
 * handshakes do not keep others waiting; certificates are asked for, named and read again; a connection's end is told
 * behind, never with, what else it brought.
 * Method: an echo server above port_tls above port_sim, clients of OpenSSL in memory.  PORT_TLS_SEED=n: one history. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "dataplane/openssl.h"
#include "dataplane/port_sim.h"
#include "dataplane/port_tls.h"
#include "tests/suite.h"

enum { SLOTS = 32, HISTORIES = 60, TLS = 0, PLAIN = 1, ECHO_BYTES_MAX = 300000, EVENTS = 64 };

static char folder[] = "/tmp/millrace-tls-XXXXXX";
static const char *path(const char *name)
{
    static char text[4][128];
    static unsigned turn;
    char *out = text[turn++ % 4];
    snprintf(out, sizeof text[0], "%s/%s", folder, name);
    return out;
}

/* --- the server: what it receives goes back, in a message of several pieces --- */

struct reply {
    struct port_message message; /* first */
    struct port_piece piece[5];
    bool     was_sent;
    uint8_t  bytes[];
};

struct server {
    struct port *port, *sim;
    struct tls_context *context;
    struct tls_listener listener[2];
    struct random random;
    bool     is_open[SLOTS], is_tls[SLOTS], is_secured[SLOTS], has_failed[SLOTS], is_closing[SLOTS];
    char     subject[SLOTS][128];
    unsigned out; /* messages under way */
    uint32_t accepted_slot;
    unsigned events_max; /* a poll's, at most; 0: EVENTS */
    bool     pauses; /* upon PORT_DATA */
    bool     takes_turns; /* answers one thing at a time, the next upon PORT_SENT, as the serve loop does */
    bool     is_busy[SLOTS];
    uint32_t pending_bytes[SLOTS];
    uint8_t  pending[SLOTS][ECHO_BYTES_MAX];
};

static struct server server;

static void server_open(enum client_certificates wanted, uint64_t seed)
{
    struct err_msg msg = {0};
    memset(&server, 0, sizeof server);
    random_init(&server.random, seed);
    struct tls_config config = {.certificate = path("server.pem"), .key = path("server.key"),
                                .client_ca = path("ca.pem"), .client_certificates = wanted};
    ck_assert_msg(tls_context_open(&server.context, "test", &config, &msg) == ERR_OK, "%s", msg.text);
    server.listener[TLS] = (struct tls_listener){"tls", server.context};
    server.listener[PLAIN] = (struct tls_listener){"plain", NULL};
    ck_assert_int_eq(port_sim_open(&server.sim, SLOTS, seed == 0 ? NULL : &server.random), ERR_OK);
    enum err e = port_tls_open(&server.port, server.sim, server.listener, 2, SLOTS, clock_real(), &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
}

static void reply(uint32_t slot, const uint8_t *bytes, uint32_t size)
{
    struct reply *r = malloc(sizeof *r + size);
    ck_assert_ptr_nonnull(r);
    memcpy(r->bytes, bytes, size);
    uint32_t cut[6] = {0, 1, 1 + (size - 1) / 3, 1 + (size - 1) / 2, size > 1 ? size - 1 : 1, size}, count = 0;
    for (int i = 0; i < 5; i++)
        if (cut[i + 1] > cut[i])
            r->piece[count++] = (struct port_piece){r->bytes + cut[i], cut[i + 1] - cut[i], i == 2};
    r->message = (struct port_message){.piece = r->piece, .piece_count = count};
    r->was_sent = false;
    server.out++;
    port_send(server.port, slot, &r->message);
}

/* A part of what waits. */
static void reply_next(uint32_t slot)
{
    uint32_t held = server.pending_bytes[slot], now = held < 100 ? (held + 1) / 2 : held;
    if (held == 0 || server.is_busy[slot]) return;
    server.is_busy[slot] = true;
    reply(slot, server.pending[slot], now);
    memmove(server.pending[slot], server.pending[slot] + now, held - now);
    server.pending_bytes[slot] -= now;
}

static void on_data(uint32_t slot, const uint8_t *bytes, uint32_t size)
{
    if (server.pauses) port_pause(server.port, slot);
    if (!server.takes_turns) {
        reply(slot, bytes, size);
        return;
    }
    ck_assert_uint_le(server.pending_bytes[slot] + size, ECHO_BYTES_MAX);
    memcpy(server.pending[slot] + server.pending_bytes[slot], bytes, size);
    server.pending_bytes[slot] += size;
    reply_next(slot);
}

static unsigned server_turn(void)
{
    struct port_event event[EVENTS];
    unsigned max = server.events_max == 0 ? EVENTS : 4 + (unsigned)random_below(&server.random, server.events_max - 3);
    unsigned count = port_poll(server.port, event, max);
    bool is_told[SLOTS] = {false}; /* something of it, in this batch */
    ck_assert_uint_le(count, max);
    for (unsigned i = 0; i < count; i++) {
        struct port_event *e = &event[i];
        uint32_t slot = e->connection;
        if (e->kind != PORT_ACCEPTED) ck_assert(server.is_open[slot]);
        if (e->kind == PORT_CLOSED) ck_assert_msg(!is_told[slot], "the end is told with what came before it");
        is_told[slot] = true;
        switch (e->kind) {
        case PORT_ACCEPTED:
            server.is_open[slot] = true;
            server.is_tls[slot] = e->listener == TLS;
            server.is_secured[slot] = !server.is_tls[slot];
            server.has_failed[slot] = server.is_closing[slot] = server.is_busy[slot] = false;
            server.pending_bytes[slot] = 0;
            server.subject[slot][0] = '\0';
            server.accepted_slot = slot;
            break;
        case PORT_SECURED:
            ck_assert(!server.is_secured[slot]);
            server.is_secured[slot] = true;
            if (e->subject != NULL) snprintf(server.subject[slot], sizeof server.subject[slot], "%s", e->subject);
            break;
        case PORT_DATA:
            ck_assert(server.is_secured[slot] && e->size > 0 && !server.is_closing[slot]);
            on_data(slot, e->bytes, e->size);
            break;
        case PORT_SENT: {
            struct reply *r = (struct reply *)e->message;
            ck_assert(!r->was_sent);
            r->was_sent = true;
            server.is_busy[slot] = false;
            reply_next(slot);
            break;
        }
        case PORT_RELEASED: {
            struct reply *r = (struct reply *)e->message;
            ck_assert(r->was_sent || r->message.was_dropped);
            if (r->was_sent && server.is_tls[slot]) ck_assert_uint_eq(r->message.copied_pieces, r->message.piece_count);
            server.out--;
            free(r);
            break;
        }
        case PORT_CLOSED:
            server.is_open[slot] = false;
            server.has_failed[slot] = e->has_failed;
            break;
        }
    }
    return count;
}

static void server_settle(void)
{
    for (int still = 0; still < 40;) still = server_turn() == 0 ? still + 1 : 0;
}

static void server_close(void)
{
    port_stop(server.port);
    server_settle();
    ck_assert_uint_eq(server.out, 0);
    for (int i = 0; i < SLOTS; i++) ck_assert(!server.is_open[i]);
    ck_assert_uint_eq(server.port->stats.buffer_bytes, 0);
    port_fini(server.port);
    tls_context_close(server.context);
}

/* --- a client --- */

struct client {
    struct port_sim_peer *peer;
    SSL_CTX *ctx;
    SSL     *ssl;
    uint32_t slot;
    bool     is_plain, is_broken;
    size_t   got, wanted; /* of the echo */
    uint8_t  sent[ECHO_BYTES_MAX];
};

static void client_open(struct client *c, int version, const char *certificate)
{
    memset(c, 0, offsetof(struct client, sent));
    c->peer = port_sim_connect_by(server.sim, version == 0 ? PLAIN : TLS);
    ck_assert_ptr_nonnull(c->peer);
    c->is_plain = version == 0;
    if (c->is_plain) return;
    c->ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(c->ctx, version);
    ck_assert_int_eq(SSL_CTX_load_verify_locations(c->ctx, path("ca.pem"), NULL), 1);
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
    if (certificate != NULL) {
        char file[64];
        snprintf(file, sizeof file, "%s.pem", certificate);
        ck_assert_int_eq(SSL_CTX_use_certificate_file(c->ctx, path(file), SSL_FILETYPE_PEM), 1);
        snprintf(file, sizeof file, "%s.key", certificate);
        ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(c->ctx, path(file), SSL_FILETYPE_PEM), 1);
    }
    c->ssl = SSL_new(c->ctx);
    SSL_set_bio(c->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(SSL_get_rbio(c->ssl), -1);
    SSL_set_connect_state(c->ssl);
}

static void client_close(struct client *c)
{
    port_sim_hang_up(c->peer);
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    c->peer = NULL;
    c->ssl = NULL;
}

/* Takes what the server sent, and checks that it is the echo. */
static void client_receive(struct client *c)
{
    uint8_t bytes[8192];
    for (size_t n; !c->is_plain && (n = port_sim_read(c->peer, bytes, sizeof bytes)) > 0;)
        ck_assert_int_eq(BIO_write(SSL_get_rbio(c->ssl), bytes, (int)n), (int)n);
    for (;;) {
        int n = c->is_plain ? (int)port_sim_read(c->peer, bytes, sizeof bytes) : SSL_read(c->ssl, bytes, sizeof bytes);
        if (n <= 0 && !c->is_plain) {
            int error = SSL_get_error(c->ssl, n);
            if (error != SSL_ERROR_WANT_READ) c->is_broken = true;
        }
        if (n <= 0) return;
        ck_assert_uint_le(c->got + (size_t)n, c->wanted);
        ck_assert_mem_eq(bytes, c->sent + c->got, (size_t)n);
        c->got += (size_t)n;
    }
}

/* What the client has for the server, as bytes of the network. */
static size_t client_take(struct client *c, uint8_t *out, size_t max)
{
    if (c->is_plain) return 0;
    int n = BIO_read(SSL_get_wbio(c->ssl), out, (int)max);
    return n > 0 ? (size_t)n : 0;
}

static void client_flush(struct client *c)
{
    uint8_t bytes[8192];
    for (size_t n; (n = client_take(c, bytes, sizeof bytes)) > 0;) port_sim_write(c->peer, bytes, n);
}

/* Asks for `size` more bytes of echo. */
static void client_say(struct client *c, size_t size)
{
    ck_assert_uint_le(c->wanted + size, ECHO_BYTES_MAX);
    uint8_t *at = c->sent + c->wanted;
    for (size_t i = 0; i < size; i++) at[i] = (uint8_t)((c->wanted + i) * 2654435761u >> 13);
    if (c->is_plain) port_sim_write(c->peer, at, size);
    else ck_assert_int_eq(SSL_write(c->ssl, at, (int)size), (int)size);
    c->wanted += size;
}

static void together(struct client *c)
{
    for (int i = 0; i < 2000 && !c->is_broken; i++) {
        if (!c->is_plain) client_receive(c);
        client_flush(c);
        server_settle();
        client_receive(c);
        if (c->got < c->wanted || (!c->is_plain && !SSL_is_init_finished(c->ssl))) continue;
        client_flush(c); /* a client is done before the server knows */
        server_settle();
        client_receive(c);
        return;
    }
}

static void client_connect(struct client *c, int version, const char *certificate)
{
    client_open(c, version, certificate);
    if (!c->is_plain) SSL_do_handshake(c->ssl);
    together(c);
    c->slot = server.accepted_slot;
}

static int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
static struct client one, two;

/* --- the tests --- */

/* Hands the client's bytes over torn at byte `cut` of the connection; returns how many there were. */
static size_t torn_at(struct client *c, size_t cut)
{
    uint8_t bytes[8192];
    size_t done = 0;
    bool was_said = false;
    SSL_do_handshake(c->ssl);
    for (int i = 0; i < 20; i++) {
        size_t n = client_take(c, bytes, sizeof bytes), first = done < cut && cut < done + n ? cut - done : n;
        port_sim_write(c->peer, bytes, first);
        server_settle();
        port_sim_write(c->peer, bytes + first, n - first);
        server_settle();
        done += n;
        client_receive(c);
        ck_assert(!c->is_broken);
        if (!SSL_is_init_finished(c->ssl) || was_said) continue;
        client_say(c, 40);
        was_said = true;
    }
    ck_assert_uint_eq(c->got, 40);
    return done;
}

START_TEST(bytes_may_be_torn_anywhere)
{
    server_open(CLIENT_CERTIFICATES_NONE, 0);
    size_t all = 2;
    for (size_t cut = 1; cut < all; cut++) {
        client_open(&one, versions[_i], NULL);
        all = torn_at(&one, cut);
        client_close(&one);
        server_settle();
    }
    ck_assert_uint_gt(all, 300); /* hello, finished, a record */
    server_close();
}
END_TEST

START_TEST(large_answers_wait_in_one_buffer_and_arrive_in_order)
{
    server_open(CLIENT_CERTIFICATES_NONE, 3);
    client_connect(&one, versions[_i], NULL);
    client_say(&one, 70000); /* comes in several pieces and is answered by several messages */
    port_sim_window(one.peer, 1000);
    client_flush(&one);
    server_settle();
    ck_assert_uint_le(server.port->stats.buffer_bytes, 80 << 10); /* one being sent; what is not read is not taken */
    ck_assert_uint_gt(server.out, 0);
    port_sim_window(one.peer, SIZE_MAX);
    together(&one);
    ck_assert_uint_eq(one.got, 70000);
    server_settle();
    ck_assert_uint_eq(server.out, 0);
    ck_assert_uint_gt(server.port->stats.encrypted_bytes, 70000);
    client_close(&one);
    server_close();
}
END_TEST

START_TEST(plain_text_and_garbage_end_their_connection_only)
{
    server_open(CLIENT_CERTIFICATES_NONE, 0);
    client_connect(&two, versions[_i], NULL);
    client_open(&one, 0, NULL);
    client_say(&one, 100); /* by the listener without TLS */
    together(&one);
    ck_assert_uint_eq(one.got, 100);
    client_close(&one);
    static const char *const hellos[] = {"\0\0\0\x10plain Kafka ....", "\x16\x03\x01\0\x05garbage....",
                                         "GET / HTTP/1.1\r\n\r\n"};
    for (size_t i = 0; i < sizeof hellos / sizeof *hellos; i++) {
        struct port_sim_peer *peer = port_sim_connect_by(server.sim, TLS);
        port_sim_write(peer, hellos[i], 16);
        server_settle();
        ck_assert(port_sim_is_closed(peer));
        ck_assert(server.has_failed[server.accepted_slot]);
        port_sim_hang_up(peer);
    }
    ck_assert_uint_eq(server.port->stats.handshakes_failed, 3);
    client_connect(&one, versions[_i], NULL);
    port_sim_write(one.peer, "\x17\x03\x03\0\x20 this was never encrypted by any", 37); /* behind a good handshake */
    server_settle();
    ck_assert(port_sim_is_closed(one.peer) && server.has_failed[one.slot]);
    client_receive(&one);
    ck_assert(one.is_broken); /* it was told by an alert */
    client_say(&two, 5000);
    together(&two);
    ck_assert_uint_eq(two.got, 5000);
    client_close(&one);
    client_close(&two);
    server_close();
}
END_TEST

START_TEST(an_idle_peer_is_told_good_bye_and_a_stuck_one_waits_no_more_than_once)
{
    server_open(CLIENT_CERTIFICATES_NONE, 0);
    client_connect(&one, versions[_i], NULL);
    port_close(server.port, one.slot);
    server.is_closing[one.slot] = true;
    server_settle();
    client_receive(&one);
    ck_assert_int_eq(SSL_get_shutdown(one.ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    ck_assert(!server.is_open[one.slot]);
    client_close(&one);
    client_connect(&two, versions[_i], NULL);
    port_sim_window(two.peer, 0);
    port_close(server.port, two.slot);
    server.is_closing[two.slot] = true;
    server_settle();
    ck_assert(server.is_open[two.slot]); /* it cannot take it */
    port_close(server.port, two.slot);
    server_settle();
    ck_assert(!server.is_open[two.slot]);
    client_close(&two);
    client_connect(&one, versions[_i], NULL); /* the peer's good-bye */
    SSL_shutdown(one.ssl);
    client_flush(&one);
    server_settle();
    ck_assert(!server.is_open[one.slot] && !server.has_failed[one.slot]);
    client_close(&one);
    server_close();
}
END_TEST

START_TEST(handshakes_take_turns)
{
    static struct client many[20];
    server_open(CLIENT_CERTIFICATES_NONE, 0);
    client_connect(&one, versions[_i], NULL);
    for (int i = 0; i < 20; i++) {
        client_open(&many[i], versions[_i], NULL);
        SSL_do_handshake(many[i].ssl);
        client_flush(&many[i]);
    }
    client_say(&one, 100);
    client_flush(&one);
    unsigned answered = 0, turns = 0;
    for (; one.got < 100 && turns < 20; turns++) {
        server_turn();
        client_receive(&one);
    }
    for (int i = 0; i < 20; i++) answered += port_sim_readable(many[i].peer) > 0;
    ck_assert_uint_le(turns, 4); /* two hellos' worth of turns later */
    ck_assert_uint_le(answered, 4 * turns);
    for (int i = 0; i < 20; i++) {
        together(&many[i]);
        client_say(&many[i], 10);
        together(&many[i]);
        ck_assert_uint_eq(many[i].got, 10);
        client_close(&many[i]);
    }
    client_close(&one);
    server_close();
}
END_TEST

START_TEST(what_many_say_at_once_waits_for_room)
{
    enum { MANY = SLOTS - 2 };
    static struct client many[MANY];
    server_open(CLIENT_CERTIFICATES_NONE, 0);
    for (int i = 0; i < MANY; i++) {
        client_connect(&many[i], versions[_i], NULL);
        client_say(&many[i], 50000);
    }
    for (int i = 0; i < MANY; i++) client_flush(&many[i]); /* more in one poll than it tells */
    server_settle();
    for (int i = 0; i < MANY; i++) {
        together(&many[i]);
        ck_assert_uint_eq(many[i].got, 50000);
        client_close(&many[i]);
    }
    server_close();
}
END_TEST

START_TEST(what_one_says_at_once_comes_whole)
{
    enum { BYTES = 280000, BURST = 60 };
    server_open(CLIENT_CERTIFICATES_NONE, 0);
    client_connect(&one, versions[_i], NULL);
    port_sim_burst(one.peer, BURST);
    client_say(&one, BYTES);
    together(&one);
    ck_assert_uint_eq(one.got, BYTES);
    client_close(&one);
    client_connect(&one, versions[_i], NULL); /* to one who wants no more after the first bytes */
    port_sim_burst(one.peer, BURST);
    client_say(&one, BYTES);
    client_flush(&one);
    server.pauses = true;
    server_settle();
    ck_assert(server.is_open[one.slot]);
    server.pauses = false;
    port_resume(server.port, one.slot);
    together(&one);
    ck_assert_uint_eq(one.got, BYTES);
    client_close(&one);
    client_open(&one, versions[_i], NULL); /* with the last step of the handshake, where that is the client's */
    for (int n = 0; n < 4 && SSL_do_handshake(one.ssl) != 1; n++) {
        client_flush(&one);
        server_settle();
        uint8_t bytes[8192];
        size_t size = port_sim_read(one.peer, bytes, sizeof bytes);
        ck_assert_int_eq(BIO_write(SSL_get_rbio(one.ssl), bytes, (int)size), (int)size);
    }
    port_sim_burst(one.peer, BURST);
    client_say(&one, BYTES);
    together(&one);
    ck_assert_uint_eq(one.got, BYTES);
    client_close(&one);
    server_close();
}
END_TEST

START_TEST(certificates_of_clients_are_asked_for_and_named)
{
    server_open(CLIENT_CERTIFICATES_OPTIONAL, 0);
    client_connect(&one, versions[_i], NULL);
    ck_assert_str_eq(server.subject[one.slot], "");
    client_close(&one);
    client_connect(&one, versions[_i], "client");
    ck_assert_str_eq(server.subject[one.slot], "CN=reader,O=millrace tests");
    client_close(&one);
    server_close();
    server_open(CLIENT_CERTIFICATES_REQUIRED, 0);
    client_connect(&one, versions[_i], "client");
    ck_assert_str_eq(server.subject[one.slot], "CN=reader,O=millrace tests");
    client_close(&one);
    static const char *const wrong[] = {NULL, "stranger"};
    for (int i = 0; i < 2; i++) {
        client_connect(&one, versions[_i], wrong[i]);
        ck_assert(one.is_broken && !server.is_secured[one.slot] && server.has_failed[one.slot]);
        client_close(&one);
    }
    server_close();
}
END_TEST

static void copy_file(const char *from, const char *to)
{
    char command[400];
    snprintf(command, sizeof command, "cp %s/%s %s/%s", folder, from, folder, to);
    ck_assert_int_eq(system(command), 0);
}

static void shown_name_is(struct client *c, const char *name)
{
    char shown[64] = "";
    X509 *certificate = SSL_get0_peer_certificate(c->ssl);
    ck_assert_ptr_nonnull(certificate);
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, shown, sizeof shown);
    ck_assert_str_eq(shown, name);
}

START_TEST(certificates_are_read_again_and_bad_ones_change_nothing)
{
    struct err_msg msg = {0};
    copy_file("server.pem", "kept.pem");
    copy_file("server.key", "kept.key");
    server_open(CLIENT_CERTIFICATES_NONE, 0);
    client_connect(&one, versions[_i], NULL);
    shown_name_is(&one, "localhost");
    copy_file("other.pem", "server.pem");
    ck_assert_int_eq(tls_context_reload(server.context, &msg), ERR_INVALID); /* the key is another's */
    ck_assert_ptr_nonnull(strstr(msg.text, "tls_key"));
    client_connect(&two, versions[_i], NULL);
    shown_name_is(&two, "localhost");
    client_close(&two);
    copy_file("other.key", "server.key");
    ck_assert_int_eq(tls_context_reload(server.context, &msg), ERR_OK);
    client_connect(&two, versions[_i], NULL);
    shown_name_is(&two, "other");
    client_say(&one, 1000); /* goes on with what it began with */
    together(&one);
    ck_assert_uint_eq(one.got, 1000);
    client_close(&one);
    client_close(&two);
    copy_file("kept.pem", "server.pem");
    copy_file("kept.key", "server.key");
    server_close();
}
END_TEST

/* What serve does upon the last events of a connection, above all: it answers the next request.  Then it is gone. */
static void hang_up_behind_requests(uint64_t seed, int version)
{
    enum { CLIENTS = 3 };
    static struct client client[CLIENTS];
    struct random r;
    server_open(CLIENT_CERTIFICATES_NONE, seed);
    random_init(&r, seed + 2000);
    server.takes_turns = true;
    server.events_max = random_below(&r, 2) == 0 ? 8 : EVENTS;
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &client[i];
        client_open(c, version, NULL);
        for (int n = 0; n < 4 && !SSL_is_init_finished(c->ssl); n++) {
            SSL_do_handshake(c->ssl);
            if (SSL_is_init_finished(c->ssl)) break; /* its last step goes with the requests */
            client_flush(c);
            server_settle();
            client_receive(c);
        }
        ck_assert(SSL_is_init_finished(c->ssl));
    }
    for (int i = 0; i < CLIENTS; i++) {
        client_say(&client[i], 30);
        client_say(&client[i], 30);
        client_flush(&client[i]);
        for (uint64_t n = random_below(&r, 12); n > 0; n--) server_turn();
        client_close(&client[i]);
    }
    server_settle();
    server_close();
}

START_TEST(who_hangs_up_behind_its_requests_is_gone_in_order)
{
    for (uint64_t seed = 1; seed <= 40; seed++) hang_up_behind_requests(seed, versions[_i]);
}
END_TEST

/* Clients of all kinds come, speak, stop reading, and go in the middle, on a network that does what it likes. */
static void history(uint64_t seed)
{
    enum { CLIENTS = 6, TURNS = 300 };
    static struct client client[CLIENTS];
    struct random r;
    server_open(CLIENT_CERTIFICATES_OPTIONAL, seed);
    random_init(&r, seed + 1000);
    server.takes_turns = seed % 2 == 0;
    server.events_max = seed % 3 == 0 ? 8 : EVENTS;
    memset(client, 0, sizeof client);
    for (int turn = 0; turn < TURNS; turn++) {
        struct client *c = &client[random_below(&r, CLIENTS)];
        if (c->peer == NULL) {
            int kind = (int)random_below(&r, 3);
            client_open(c, kind == 2 ? 0 : versions[kind], random_below(&r, 2) == 0 ? "client" : NULL);
            if (!c->is_plain) SSL_do_handshake(c->ssl);
            client_flush(c);
        }
        bool is_ready = c->is_plain || SSL_is_init_finished(c->ssl);
        uint64_t size = 1 + random_below(&r, random_below(&r, 6) == 0 ? 30000 : 200);
        switch (random_below(&r, 8)) {
        case 0: case 1: case 2:
            if (is_ready && !c->is_broken && c->wanted + size < ECHO_BYTES_MAX) client_say(c, size);
            break;
        case 3: port_sim_window(c->peer, random_below(&r, 3) == 0 ? random_below(&r, 5000) : SIZE_MAX); break;
        case 4:
            if (c->is_plain || random_below(&r, 12) != 0) break;
            port_sim_write(c->peer, "\x17\x03\x03\0\x03xyz", 8);
            c->is_broken = true;
            break;
        case 5: {
            uint32_t slot = (uint32_t)random_below(&r, SLOTS);
            if (!server.is_open[slot]) break;
            if (random_below(&r, 4) == 0) port_close(server.port, slot), server.is_closing[slot] = true;
            else if (random_below(&r, 2) == 0) port_pause(server.port, slot);
            else port_resume(server.port, slot);
            break;
        }
        default:
            client_receive(c);
            client_flush(c);
            if (c->is_broken || random_below(&r, 40) == 0) client_close(c);
        }
        for (uint64_t n = random_below(&r, 4); n > 0; n--) server_turn();
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        if (server.is_open[slot]) port_resume(server.port, slot);
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &client[i];
        if (c->peer == NULL) continue;
        port_sim_window(c->peer, SIZE_MAX);
        if (!c->is_broken) together(c);
        bool is_whole = c->got == c->wanted;
        ck_assert_msg(is_whole || c->is_broken || port_sim_is_closed(c->peer), "seed %llu: %zu of %zu bytes came back",
                      (unsigned long long)seed, c->got, c->wanted);
        client_close(c);
    }
    server_close();
}

START_TEST(histories)
{
    const char *asked = getenv("PORT_TLS_SEED");
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        history(asked == NULL ? seed : strtoull(asked, NULL, 10));
        if (asked != NULL) break;
    }
}
END_TEST

START_TEST(wrong_files_are_named)
{
    struct err_msg msg;
    static const struct { const char *certificate, *key, *words; } cases[] = {
        {"nothing.pem", "server.key", "tls_certificate"}, {"server.pem", "nothing.key", "tls_key"},
        {"server.pem", "client.key", "the key of tls_certificate"},
        {"certificates.log", "server.key", "certificates.log"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls_context *c = NULL;
        struct tls_config config = {.certificate = path(cases[i].certificate), .key = path(cases[i].key)};
        msg = (struct err_msg){.code = ERR_OK};
        ck_assert_int_eq(tls_context_open(&c, "public", &config, &msg), ERR_INVALID);
        ck_assert_msg(strstr(msg.text, cases[i].words) != NULL && strstr(msg.text, "listener public") != NULL, "%s",
                      msg.text);
    }
}
END_TEST

int main(int argc, char **argv)
{
    char command[600];
    if (argc < 2 || mkdtemp(folder) == NULL) return EXIT_FAILURE;
    snprintf(command, sizeof command, "%s %s", argv[1], folder);
    if (system(command) != 0) {
        printf("skipped: the certificates could not be made; needs the program openssl\n");
        return 77;
    }
    Suite *suite = suite_create("port_tls");
    TCase *t = tcase_create("port_tls");
    tcase_set_timeout(t, 100);
    tcase_add_loop_test(t, bytes_may_be_torn_anywhere, 0, 2);
    tcase_add_loop_test(t, large_answers_wait_in_one_buffer_and_arrive_in_order, 0, 2);
    tcase_add_loop_test(t, plain_text_and_garbage_end_their_connection_only, 0, 2);
    tcase_add_loop_test(t, an_idle_peer_is_told_good_bye_and_a_stuck_one_waits_no_more_than_once, 0, 2);
    tcase_add_loop_test(t, handshakes_take_turns, 0, 2);
    tcase_add_loop_test(t, what_many_say_at_once_waits_for_room, 0, 2);
    tcase_add_loop_test(t, what_one_says_at_once_comes_whole, 0, 2);
    tcase_add_loop_test(t, certificates_of_clients_are_asked_for_and_named, 0, 2);
    tcase_add_loop_test(t, certificates_are_read_again_and_bad_ones_change_nothing, 0, 2);
    tcase_add_loop_test(t, who_hangs_up_behind_its_requests_is_gone_in_order, 0, 2);
    tcase_add_test(t, wrong_files_are_named);
    tcase_add_test(t, histories);
    suite_add_tcase(suite, t);
    int failed = suite_run(suite);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0) return EXIT_FAILURE;
    return failed;
}
