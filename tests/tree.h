/* tests/tree.h -- a folder with all that is in it. */
#ifndef TESTS_TREE_H
#define TESTS_TREE_H

#include <ftw.h>
#include <stdio.h>

static inline int tree_remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

/* 0: it is gone. */
static inline int tree_remove(const char *folder)
{
    return nftw(folder, tree_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
