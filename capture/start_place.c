#include "capture/start_place.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "capture/source_search.h"

enum {
    MISSING_TEXT_BYTES = 200,
    LACKS_S_MAX = 60, /* so long after it sent a transaction the source may still not count it as executed */
};

/* --- a new channel --- */

static enum err choose_by_gtids(struct source_stream *s, const struct source_facts *facts, const char *text,
                                struct start_place *out, struct err_msg *msg)
{
    char missing[MISSING_TEXT_BYTES];
    struct gtid_set executed = {0};
    if (!facts->has_gtids_only)
        return err_set(msg, ERR_SOURCE_CONFIG, "the source has transactions without GTIDs (gtid_mode is not ON), so a "
                       "channel cannot begin at a set of them; set gtid_mode=ON there, or start at a position or a "
                       "time");
    if (gtid_set_parse(&out->gtids, text, strlen(text)) != ERR_OK)
        return err_set(msg, ERR_INVALID, "'%.100s' is not a GTID set", text);
    enum err e = source_executed(s, facts, &executed, msg);
    if (e == ERR_OK && gtid_set_missing_text(&out->gtids, &executed, missing, sizeof missing))
        e = err_set(msg, ERR_INVALID, "the start's GTID set has transactions that the source does not have: %s",
                    missing);
    gtid_set_free(&executed);
    TRY(e);
    out->gtids_known = out->by_gtids = true;
    return source_find_set(s, &out->gtids, &out->place, msg);
}

static enum err choose_place(struct source_stream *s, const struct capture_config *config, const _Atomic bool *stop,
                             struct source_place *out, struct err_msg *msg)
{
    struct source_place checked;
    snprintf(out->file, sizeof out->file, "%s", config->start_file);
    out->position = config->start_position;
    if (out->position < BINLOG_FIRST_POSITION) out->position = BINLOG_FIRST_POSITION;
    checked = *out;
    TRY(source_place_check(s, &checked, msg));
    if (strcmp(checked.file, out->file) == 0) TRY(source_check_boundary(s, out, stop, msg));
    *out = checked;
    return ERR_OK;
}

enum err start_place_choose(struct source_stream *s, const struct source_facts *facts,
                            const struct capture_config *config, const _Atomic bool *stop, struct start_place *out,
                            struct err_msg *msg)
{
    *out = (struct start_place){.by_gtids = false};
    switch (config->start) {
    case CAPTURE_START_NOW:
        TRY(source_end(s, facts, &out->place, &out->gtids, msg));
        out->gtids_known = !facts->is_mariadb;
        return ERR_OK;
    case CAPTURE_START_EARLIEST: return source_start(s, &out->place, msg);
    case CAPTURE_START_GTID_SET: return choose_by_gtids(s, facts, config->start_gtid_set, out, msg);
    case CAPTURE_START_POSITION: return choose_place(s, config, stop, &out->place, msg);
    case CAPTURE_START_TIME: return source_find_time(s, facts, config->start_time_s, stop, &out->place, msg);
    }
    return err_set(msg, ERR_INVALID, "a start of kind %d is not known", (int)config->start);
}

/* --- going on --- */

/* Is the file that was read last still there, as far as it was read, and begun at the second that we logged? */
static enum err has_our_file(struct source_stream *s, const struct follower *f, bool *has, struct err_msg *msg)
{
    const struct source_position *r = &f->resume;
    struct source_place place = {.position = r->position};
    struct source_head head;
    struct err_msg why = {0};
    *has = true;
    if (r->format_description_s == 0) return ERR_OK;
    memcpy(place.file, r->file, sizeof place.file);
    enum err e = source_place_check(s, &place, &why);
    if (e == ERR_SOURCE_PURGED || e == ERR_SOURCE_HISTORY) {
        *has = false;
        return ERR_OK;
    }
    if (e != ERR_OK) {
        *msg = why;
        return e;
    }
    e = source_head_read(s, r->file, &head, msg);
    gtid_set_free(&head.before);
    *has = e == ERR_OK && head.time_s == r->format_description_s;
    return e;
}

/* MariaDB: are the transactions before our place in the file those that we have?  Nodes of a cluster share a server id,
 * and their files may have been begun in the same second.  Else the file decides, where its time is known, and also
 * where the server does not tell. */
static enum err has_our_gtids(struct source_stream *s, const struct follower *f, bool *has, struct err_msg *msg)
{
    const struct gtid_set *ours = follower_logged(f);
    const struct source_place place = source_place_of(&f->resume);
    struct gtid_set there = {0};
    bool is_told, is_by_file = !f->facts.is_cluster && f->resume.format_description_s != 0;
    *has = true;
    if (!f->facts.is_mariadb || !f->facts.has_gtids || f->facts.is_archive || ours == NULL || f->passes_known ||
        is_by_file)
        return ERR_OK;
    enum err e = source_mariadb_gtids(s, &place, &there, &is_told, msg);
    if (e == ERR_OK && is_told)
        *has = gtid_set_contains_set(&there, ours) && (!f->gtids_known || gtid_set_contains_set(ours, &there));
    gtid_set_free(&there);
    return e;
}

/* Is the server that was reached the one that was read last?  A uuid tells; a server id, or no id at all, leaves it to
 * the file as well: another server has another id mostly, and an equal one may be a server made anew. */
static enum err is_same_server(struct source_stream *s, const struct follower *f, bool *same, struct err_msg *msg)
{
    const struct source_position *r = &f->resume;
    bool are_told = r->server_uuid[0] != '\0' && f->facts.server_uuid[0] != '\0';
    *same = !are_told || strcmp(r->server_uuid, f->facts.server_uuid) == 0;
    if (!*same || (are_told && !f->facts.is_mariadb)) return ERR_OK;
    TRY(has_our_file(s, f, same, msg));
    return *same ? has_our_gtids(s, f, same, msg) : ERR_OK;
}

static enum err resume_same(struct source_stream *s, struct follower *f, struct err_msg *msg)
{
    struct source_position r = f->resume;
    struct source_place place = {.position = r.position};
    memcpy(place.file, r.file, sizeof place.file);
    TRY(source_place_check(s, &place, msg));
    if (strcmp(place.file, r.file) != 0) {
        memcpy(r.file, place.file, sizeof r.file);
        r.position = place.position;
        r.format_description_s = 0;
    }
    memcpy(r.server_uuid, f->facts.server_uuid, sizeof r.server_uuid);
    follower_resume_at(f, &r);
    return ERR_OK;
}

static enum err resume_by_gtids(struct source_stream *s, struct follower *f, bool is_same, struct err_msg *msg)
{
    struct source_place place;
    char before[sizeof f->resume.server_uuid];
    memcpy(before, f->resume.server_uuid, sizeof before);
    TRY(source_find_set(s, follower_logged(f), &place, msg));
    follower_resume_by_gtids(f, &place);
    if (is_same) return ERR_OK;
    f->server_changed = true;
    log_warn("capture", "channel %s: fail-over from server %s to server %s: reads on from %s by GTIDs",
                 f->config.channel, before[0] == '\0' ? "(without uuid)" : before,
                 f->facts.server_uuid[0] == '\0' ? "(without uuid)" : f->facts.server_uuid, place.file);
    return ERR_OK;
}

/* The server that was read last does not name a transaction that it sent us.  It sends them before it names them: they
 * are committed behind the binlog, and may wait there for a semi-synchronous replica, for as long as there is none.  So
 * while its binlog is the one that was read, and as long, that is a matter of time, however much; one that was reset or
 * restored has no such file.  Where the file's time is not known (it was gone on by GTIDs), only so much. */
static enum err lacks_read(struct source_stream *s, struct follower *f, const char *missing, struct err_msg *msg)
{
    bool has_file, is_proof = f->resume.format_description_s != 0;
    uint64_t now_ns = clock_monotonic_ns(f->config.clock);
    TRY(has_our_file(s, f, &has_file, msg));
    if (f->lacks_since_ns == 0) f->lacks_since_ns = now_ns;
    if (has_file && (is_proof || now_ns - f->lacks_since_ns < (uint64_t)LACKS_S_MAX * 1000000000))
        return err_set(msg, ERR_CONNECT, "the source has not committed yet what it wrote to its binlog (%s); wait, or "
                       "look whether it waits for a semi-synchronous replica, or for a lock", missing);
    return err_set(msg, ERR_SOURCE_HISTORY,
                   "the source no longer has transactions that were read from it (%s): its binlog was reset, or it was "
                   "restored from a backup; delete the channel and create it anew",
                   missing);
}

/* Another server lacks transactions that we have.  One without any that we lack is behind and will get them; one that
 * went on without them never will.  Until the set is whole there is no telling: it lacks what emitted nothing. */
static enum err lacks_ours(const struct follower *f, const struct gtid_set *executed, const char *missing,
                           struct err_msg *msg)
{
    if (!f->gtids_known || gtid_set_contains_set(&f->gtids, executed))
        return err_set(msg, ERR_CONNECT, "the source is another server now and does not have what the channel has "
                       "(%s); wait until it has caught up, or connect to one that has", missing);
    return err_set(msg, ERR_SOURCE_HISTORY,
                   "the source is another server now and lacks transactions that the channel has (%s): it is of "
                   "another history, or behind and written to; connect to one that has them, or delete the channel "
                   "and create it anew",
                   missing);
}

/* The source has every transaction that we have. */
static enum err check_executed(struct source_stream *s, struct follower *f, bool is_same, struct err_msg *msg)
{
    char missing[MISSING_TEXT_BYTES];
    struct gtid_set executed = {0};
    const struct gtid_set *ours = follower_logged(f);
    if (ours == NULL || (is_same && !f->gtids_known) || !f->facts.has_gtids) return ERR_OK;
    enum err e = source_executed(s, &f->facts, &executed, msg);
    bool lacks = e == ERR_OK && gtid_set_missing_text(ours, &executed, missing, sizeof missing);
    if (lacks) e = is_same ? lacks_read(s, f, missing, msg) : lacks_ours(f, &executed, missing, msg);
    if (e == ERR_OK || !is_same) f->lacks_since_ns = 0;
    gtid_set_free(&executed);
    return e;
}

/* A server whose name is no other, and yet it is not the one that was read: says so by the file.  MariaDB's name is its
 * id, and its numbers say nothing: a server that was reset or restored, and a node of a cluster that numbers by itself,
 * write other transactions under numbers of ours. */
static enum err not_our_binlog(struct source_stream *s, const struct follower *f, struct err_msg *msg)
{
    struct source_place place = {.position = f->resume.position};
    bool is_by_id = f->facts.is_mariadb && !f->facts.is_archive;
    memcpy(place.file, f->resume.file, sizeof place.file);
    enum err e = source_place_check(s, &place, msg);
    if (e != ERR_OK && !(is_by_id && e == ERR_SOURCE_HISTORY)) return e;
    if (is_by_id)
        return err_set(msg, ERR_SOURCE_HISTORY,
                       "the source has the id of the server that capture read (%s), but not its binlog: it was reset "
                       "or restored, or it is another server; give each server its own server_id (nodes of a Galera "
                       "cluster: set wsrep_gtid_mode=ON), or delete the channel and create it anew",
                       f->facts.server_uuid);
    return err_set(msg, ERR_SOURCE_HISTORY,
                   "%s on the source was begun at another time than the one that capture read: the source's binlog was "
                   "reset, or it is another server; delete the channel and create it anew",
                   place.file);
}

/* Another node of a MariaDB cluster, whose nodes share an id?  The cluster numbers the transactions.  A node that is
 * behind is waited for; else its binlog must have had all that we have, from the same servers. */
static enum err check_twin(struct source_stream *s, struct follower *f, struct err_msg *msg)
{
    bool had;
    if (!f->facts.is_cluster || follower_logged(f) == NULL) return not_our_binlog(s, f, msg);
    TRY(check_executed(s, f, false, msg));
    TRY(source_mariadb_had(s, follower_logged(f), &had, msg));
    return had ? ERR_OK : not_our_binlog(s, f, msg);
}

static enum err resume_anywhere(struct source_stream *s, struct follower *f, struct err_msg *msg)
{
    bool is_same;
    const char *former = f->resume.server_uuid;
    TRY(is_same_server(s, f, &is_same, msg));
    bool is_namesake = !is_same && strcmp(former, f->facts.server_uuid) == 0;
    TRY(is_namesake ? check_twin(s, f, msg) : check_executed(s, f, is_same, msg));
    if (is_same && !f->passes_known) return resume_same(s, f, msg);
    if (f->facts.has_gtids_only && follower_logged(f) != NULL) return resume_by_gtids(s, f, is_same, msg);
    if (former[0] == '\0') return not_our_binlog(s, f, msg);
    const char *why = f->facts.has_gtids_only ? "and which transactions the channel has is not known before the former "
                                           "server was reached once more"
                                         : "whose binlog has other positions, and it has no GTIDs to go by, or not for "
                                           "all transactions";
    return err_set(msg, ERR_SOURCE_HISTORY,
                   "the source is server %s now and was %s: it is another server, %s; "
                   "connect to the old one, or delete the channel and create it anew",
                   f->facts.server_uuid, former, why);
}

enum err start_place_resume(struct source_stream *s, struct follower *f, bool has_others, struct err_msg *msg)
{
    enum err e = resume_anywhere(s, f, msg);
    bool does_not_fit = e == ERR_SOURCE_HISTORY || e == ERR_SOURCE_PURGED;
    if (!does_not_fit || !has_others) return e;
    return msg->code = ERR_CONNECT;
}
