/* Where capture goes on, and which transactions it has by then. */
#include <string.h>

#include "capture/follower.h"

void follower_resume_at(struct follower *f, const struct source_position *resume)
{
    f->resume = *resume;
    f->has_resume = true;
}

enum err follower_knows(struct follower *f, const struct gtid_set *gtids)
{
    if (f->gtids_known) return gtid_set_union(&f->gtids, gtids);
    return f->has_logged ? gtid_set_union(&f->logged, gtids) : ERR_OK;
}

void follower_pass_logged(struct follower *f)
{
    f->passes_known = true;
    if (f->gtids_known) return;
    gtid_set_free(&f->gtids);
    f->gtids = f->logged;
    f->logged = (struct gtid_set){0};
    f->has_logged = false;
    f->gtids_known = true;
}

void follower_resume_by_gtids(struct follower *f, const struct source_place *place)
{
    struct source_position r = f->resume;
    memcpy(r.file, place->file, sizeof r.file);
    r.position = place->position;
    r.format_description_s = 0;
    memcpy(r.server_uuid, f->facts.server_uuid, sizeof r.server_uuid);
    follower_resume_at(f, &r);
    follower_pass_logged(f);
}

enum err follower_walk_begins(struct follower *f)
{
    if (f->passes_known) f->walked_known = false; /* `resume` waits at a file's start, which says it anew */
    if (!f->facts.is_archive || f->passes_known || f->walked_known || !f->gtids_known) return ERR_OK;
    gtid_set_clear(&f->walked);
    TRY(gtid_set_union(&f->walked, &f->gtids));
    f->walked_known = true;
    return ERR_OK;
}

enum err follower_file_follows(struct follower *f, const struct gtid_set *before, bool is_mysql, struct err_msg *msg)
{
    char gtids[200];
    if (f->walked_known && gtid_set_missing_text(before, &f->walked, gtids, sizeof gtids))
        return err_set(msg, ERR_SOURCE_HISTORY,
                       "%s goes on behind transactions that the file before it does not have (%s): it is another "
                       "server's file, or one in between was left out; copy the missing file, or delete the channel "
                       "and create it anew from a folder of one server's files",
                       f->at.file, gtids);
    /* Not for MariaDB: its list forgets domains that were deleted, and numbers in it may go back. */
    if (f->walked_known && is_mysql && gtid_set_missing_text(&f->walked, before, gtids, sizeof gtids))
        return err_set(msg, ERR_SOURCE_HISTORY,
                       "%s begins before transactions that the file before it has (%s): it is another server's file; "
                       "delete the channel and create it anew from a folder of one server's files",
                       f->at.file, gtids);
    gtid_set_clear(&f->walked);
    f->walked_known = true;
    return gtid_set_union(&f->walked, before);
}
