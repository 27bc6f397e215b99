/* storage/disk_sim.h -- a disk in memory, seeded, whose power can be cut.
 *
 * What survives a cut: everything synced before; of the rest, any subset of 512-byte sectors (each unsynced write may
 * be kept, lost or torn, in any order), and of unsynced names (create, rename, remove) any prefix in their order, as a
 * journal gives.  Asynchronous transfers complete in random order, some turns later.  Single-threaded. */
#ifndef STORAGE_DISK_SIM_H
#define STORAGE_DISK_SIM_H

#include "storage/disk.h"

enum { DISK_SIM_SECTOR_BYTES = 512 };

NODISCARD enum err disk_sim_create(struct disk **out, uint64_t seed);

/* After `operations` more changes (writes, syncs, renames, ...) the power is gone: nothing more takes effect, every
 * call fails.  UINT64_MAX: never. */
void disk_sim_cut_after(struct disk *d, uint64_t operations);
bool disk_sim_is_dead(const struct disk *d);
/* Changes made so far, for choosing a cut. */
uint64_t disk_sim_operations(const struct disk *d);
/* The power goes (if it has not yet) and comes back: decides what survived.  Queues and handles of before are void. */
void disk_sim_power_cycle(struct disk *d);

/* From now on writes (DISK_WRITE_AT, disk_write) or syncs fail with this errno; 0 ends it. */
void disk_sim_fail_writes(struct disk *d, int error);
void disk_sim_fail_syncs(struct disk *d, int error);
/* From now on asynchronous writes of more than a block may end after any number of sectors, a block at least. */
void disk_sim_shorten_writes(struct disk *d);
/* From now on asynchronous writes and syncs do not end, until it is taken back; reads do. */
void disk_sim_hang_writes(struct disk *d, bool hangs);
/* All files together may hold this many bytes; beyond it writes and allocations answer -ENOSPC. */
void disk_sim_limit_space(struct disk *d, uint64_t bytes);
/* Milliseconds shown as time of modification from now on. */
void disk_sim_set_time(struct disk *d, uint64_t realtime_ms);

#endif
