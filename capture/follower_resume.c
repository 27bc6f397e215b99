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
