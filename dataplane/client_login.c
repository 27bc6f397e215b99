/* How a connection logs in: the order of SASL's steps, here; what is in the tokens, at the authority.
 *
 *   nobody --SaslHandshake--> exchange --tokens--> logged in --SaslHandshake, tokens--> logged in anew (KIP-368)
 *
 * Tokens go in SaslAuthenticate requests, or after SaslHandshake 0 in frames that hold nothing else.  What comes in a
 * wrong order is told ILLEGAL_SASL_STATE where its answer has an error, and the connection ends.  On a listener that
 * asks nobody to log in one may all the same; then one has the rights of one's account. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "dataplane/auth/guesses.h"
#include "dataplane/serve_lcore.h"

enum { MS_NS = 1000000, COMPLAINT_PAUSE_NS = 1000000000 };

#define FAILURE "Authentication failed: invalid credentials" /* the same for users that there are not */
#define DISORDER "this step of SASL was not expected now"

void client_login_forget(struct serve_lcore *s, struct client *c)
{
    if (c->login != NULL) explicit_bzero(c->login, sizeof *c->login);
    buffer_give(&s->arena, c->login);
    c->login = NULL;
}

bool client_may_ask(struct serve_lcore *s, struct client *c, int16_t api_key)
{
    bool is_step = api_key == KAFKA_API_SASL_HANDSHAKE || api_key == KAFKA_API_SASL_AUTHENTICATE;
    if (c->login != NULL && !is_step) {
        client_close(s, c, CLOSE_SASL_ORDER);
        return false;
    }
    if (c->principal == NULL) {
        bool may = is_step || api_key == KAFKA_API_API_VERSIONS || !s->listeners[c->listener].needs_login;
        if (!may) client_close(s, c, CLOSE_NO_LOGIN);
        return may;
    }
    if (!principal_is_valid(s->config.authority, c->principal)) {
        client_close(s, c, CLOSE_REVOKED);
        return false;
    }
    if (principal_is_limited(c->principal) && right_of(api_key) == RIGHT_OF_OPERATOR) {
        client_close(s, c, CLOSE_NO_LOGIN);
        return false;
    }
    /* By when it came: one that waits and is handled again was in time. */
    if (c->arrived_ns < c->session_end_ns || c->login != NULL || api_key == KAFKA_API_SASL_HANDSHAKE) return true;
    client_close(s, c, CLOSE_SESSION_OVER);
    return false;
}

/* The answer that is sent next is the last one. */
static void end_after_answer(struct client *c, enum close_cause cause)
{
    c->is_last_answer = true;
    c->last_cause = cause;
}

/* --- SaslHandshake --- */

/* What is wrong with it, if anything. */
static enum kafka_error handshake_begin(struct serve_lcore *s, struct client *c, const struct request *r,
                                        struct kafka_string asked)
{
    enum mechanism m = asked.size < 0 ? MECHANISM_COUNT : mechanism_find(asked.chars, (size_t)asked.size);
    bool is_raw = r->header.api_version == 0;
    if (c->principal != NULL && s->now_ns - c->logged_in_ns < (uint64_t)LOGIN_AGAIN_MS * MS_NS)
        return KAFKA_ILLEGAL_SASL_STATE; /* as Kafka: this alone does not end the connection */
    bool is_disorder = c->login != NULL || (c->principal != NULL && (is_raw || m != c->mechanism));
    if (is_disorder || m == MECHANISM_COUNT || s->config.authority == NULL) {
        end_after_answer(c, CLOSE_SASL_ORDER);
        return is_disorder ? KAFKA_ILLEGAL_SASL_STATE : KAFKA_UNSUPPORTED_SASL_MECHANISM;
    }
    c->login = buffer_take(&s->arena, sizeof *c->login);
    if (c->login == NULL) return KAFKA_NONE; /* the caller sees it */
    memset(c->login, 0, sizeof *c->login);
    c->login->login.mechanism = m;
    c->login->is_raw = is_raw;
    return KAFKA_NONE;
}

void client_handshake(struct serve_lcore *s, struct client *c, struct request *r, uint32_t frame_bytes)
{
    struct sasl_handshake_request in;
    struct sasl_handshake_response *out = request_room(r, 1, sizeof *out);
    if (out == NULL || request_decode(r, &in) != ERR_OK) {
        client_close(s, c, CLOSE_MALFORMED);
        return;
    }
    out->error_code = (int16_t)handshake_begin(s, c, r, in.mechanism);
    out->mechanisms = request_room(r, MECHANISM_COUNT, sizeof *out->mechanisms);
    if (out->mechanisms == NULL || (out->error_code == KAFKA_NONE && c->login == NULL)) {
        client_close(s, c, CLOSE_NO_MEMORY);
        return;
    }
    if (s->config.authority != NULL) out->mechanism_count = MECHANISM_COUNT;
    for (int m = 0; m < out->mechanism_count; m++)
        out->mechanisms[m] = kafka_string_of(mechanism_name((enum mechanism)m));
    r->response = out;
    client_respond(s, c, r);
    if (c->state == CLIENT_SENDING) client_request_end(s, c, frame_bytes);
}

/* --- tokens, to the authority --- */

/* ERR_AGAIN: there is no room now. */
static enum err token_forward(struct serve_lcore *s, const struct client *c, const void *token, size_t size)
{
    struct auth_link *link = s->config.authority;
    struct auth_request *out = ring_spsc_claim(&link->to_authority, (uint32_t)(sizeof *out + size));
    if (out == NULL) return ERR_AGAIN;
    *out = (struct auth_request){
        .connection_id = client_id(c), .address = guess_address(c->host + 1), .token_bytes = (uint32_t)size};
    memcpy(&out->login, &c->login->login, sizeof out->login);
    if (size > 0) memcpy(out + 1, token, size);
    ring_spsc_commit(&link->to_authority);
    waiter_wake(link->authority_waiter);
    return ERR_OK;
}

/* Names only users that there are: one that there is not may be a password typed into the wrong field. */
static void login_failed(struct serve_lcore *s, struct client *c, const struct principal *who, uint32_t delay_ms)
{
    if (s->login_said_ns == 0 || s->now_ns - s->login_said_ns >= COMPLAINT_PAUSE_NS) {
        bool is_known = who != NULL && who->name[0] != '\0';
        const char *dash = is_known && who->group_id[0] != '\0' ? "-" : "";
        log_warn("dataplane", "a login from %s as %s%s%s by %s failed; %" PRIu64 " before it were not told",
                 c->host + 1, is_known ? who->name : "somebody unknown", dash, is_known ? who->group_id : "",
                 mechanism_name(c->login->login.mechanism), s->logins_unsaid);
        s->login_said_ns = s->now_ns;
        s->logins_unsaid = 0;
    } else {
        s->logins_unsaid++;
    }
    client_delay(s, c, CLIENT_DELAYED, s->now_ns + (uint64_t)delay_ms * MS_NS);
}

/* Passes the token of the frame under way on. */
static void token_take(struct serve_lcore *s, struct client *c, const void *token, size_t size, uint32_t frame_bytes)
{
    if (size > AUTH_TOKEN_BYTES_MAX) {
        client_request_end(s, c, frame_bytes);
        login_failed(s, c, NULL, LOGIN_DELAY_MS);
        return;
    }
    if (token_forward(s, c, token, size) == ERR_AGAIN) {
        client_wait(s, c, CLIENT_LINK, &s->tokens);
        return;
    }
    explicit_bzero(c->input + c->input_start, frame_bytes); /* no password stays in a buffer that others get */
    client_request_end(s, c, frame_bytes);
    c->state = CLIENT_LOGIN;
}

void client_token(struct serve_lcore *s, struct client *c, const uint8_t *token, uint32_t size)
{
    token_take(s, c, token, size, (uint32_t)sizeof(uint32_t) + size);
}

static void authenticate_respond(struct serve_lcore *s, struct client *c, int16_t version, int32_t correlation_id,
                                 const struct sasl_authenticate_response *out)
{
    struct sink to = sink_of(s->encoded, s->encoded_bytes);
    struct kafka_gaps gaps = {.position = s->gap_positions, .max = 0};
    if (kafka_response_encode(kafka_response_of(KAFKA_API_SASL_AUTHENTICATE), version, correlation_id, out, &to,
                              &gaps) != ERR_OK)
        client_close(s, c, CLOSE_TOO_LARGE);
    else
        client_send(s, c, s->encoded, (uint32_t)(to.at - s->encoded));
}

void client_authenticate(struct serve_lcore *s, struct client *c, struct request *r, uint32_t frame_bytes)
{
    struct sasl_authenticate_request in;
    if (request_decode(r, &in) != ERR_OK) {
        client_close(s, c, CLOSE_MALFORMED);
        return;
    }
    if (c->login == NULL) { /* no handshake was before it */
        struct sasl_authenticate_response out = {.error_code = KAFKA_ILLEGAL_SASL_STATE,
                                                 .error_message = kafka_string_of(DISORDER)};
        if (c->principal == NULL) end_after_answer(c, CLOSE_SASL_ORDER);
        authenticate_respond(s, c, r->header.api_version, r->header.correlation_id, &out);
        if (c->state == CLIENT_SENDING) client_request_end(s, c, frame_bytes);
        return;
    }
    c->login->api_version = r->header.api_version;
    c->login->correlation_id = r->header.correlation_id;
    token_take(s, c, in.auth_bytes.bytes, in.auth_bytes.size < 0 ? 0 : (size_t)in.auth_bytes.size, frame_bytes);
}

/* --- the authority's answers --- */

static void token_send(struct serve_lcore *s, struct client *c, const char *token, uint32_t size,
                       uint64_t session_lifetime_ms)
{
    if (c->login->is_raw) {
        struct sink to = sink_of(s->encoded, s->encoded_bytes);
        sink_be(&to, size, sizeof(uint32_t));
        sink_bytes(&to, token, size);
        client_send(s, c, s->encoded, (uint32_t)(to.at - s->encoded));
        return;
    }
    struct sasl_authenticate_response out = {
        .error_message = kafka_string_null(), .auth_bytes = {(const uint8_t *)token, (int32_t)size},
        .session_lifetime_ms = (int64_t)session_lifetime_ms,
    };
    authenticate_respond(s, c, c->login->api_version, c->login->correlation_id, &out);
}

static void logged_in(struct serve_lcore *s, struct client *c, const struct auth_answer *a)
{
    const struct principal *who = &a->principal;
    if (c->principal == NULL) {
        c->principal = buffer_take(&s->arena, sizeof *c->principal);
        if (c->principal == NULL) {
            client_close(s, c, CLOSE_NO_MEMORY);
            return;
        }
    } else if (strcmp(c->principal->name, who->name) != 0 || strcmp(c->principal->group_id, who->group_id) != 0) {
        login_failed(s, c, who, LOGIN_DELAY_MS); /* a connection stays its principal's */
        return;
    }
    char user[ACCOUNT_USER_BYTES];
    bool is_consumer = who->group_id[0] != '\0';
    snprintf(user, sizeof user, "%s%s%s", who->name, is_consumer ? "-" : "", who->group_id);
    *c->principal = *who;
    if (!client_account_is(s, c, user, true)) return;
    uint64_t lifetime_ms = s->config.session_lifetime_ms;
    c->mechanism = c->login->login.mechanism;
    c->logged_in_ns = s->now_ns;
    c->login_until_ns = UINT64_MAX;
    c->session_end_ns = lifetime_ms == 0 ? UINT64_MAX : s->now_ns + lifetime_ms * MS_NS;
    token_send(s, c, a->token, a->token_bytes, lifetime_ms);
    client_login_forget(s, c);
}

void client_login_answered(struct serve_lcore *s, struct client *c, const struct auth_answer *a)
{
    if (c->state != CLIENT_LOGIN) return;
    c->active_ns = s->now_ns;
    switch (a->result) {
    case LOGIN_GOES_ON:
        c->login->login = a->login;
        token_send(s, c, a->token, a->token_bytes, 0);
        break;
    case LOGIN_DONE:   logged_in(s, c, a); break;
    case LOGIN_FAILED: login_failed(s, c, &a->principal, a->delay_ms); break;
    case LOGIN_BUSY:
        c->login->is_busy = true;
        client_delay(s, c, CLIENT_DELAYED, s->now_ns + (uint64_t)a->delay_ms * MS_NS);
        break;
    }
}

void client_login_refuse(struct serve_lcore *s, struct client *c)
{
    struct sasl_authenticate_response out = {.error_code = KAFKA_SASL_AUTHENTICATION_FAILED,
                                             .error_message = kafka_string_of(FAILURE)};
    if (c->login->is_busy) { /* no answer: clients try again then, and give up after a failure */
        client_close(s, c, CLOSE_LOGIN_BUSY);
        return;
    }
    if (c->login->is_raw) { /* there is no way to say it */
        client_close(s, c, CLOSE_LOGIN_FAILED);
        return;
    }
    end_after_answer(c, CLOSE_LOGIN_FAILED);
    authenticate_respond(s, c, c->login->api_version, c->login->correlation_id, &out);
}
