#!/usr/bin/env bash
# tsan.sh SOURCE_ROOT: the ring stress test under clang's ThreadSanitizer, ten times, for one run can miss a missing
# acquire.  ThreadSanitizer watches the plain memory that the rings hand over: with any acquire or release of theirs
# relaxed it reports, but for the even stamp of ring_bcast (the odd one's release covers what lies before it; the words
# are atomics).  It does not model fences: the wake protocol's two are the business of stress_ring's litmus test in the
# ordinary build.
set -u
root=$1
runs=10 percent=12
work=$(mktemp -d "${TMPDIR:-/tmp}/millrace-tsan.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT

skip() { echo "skipped: $1"; exit 77; }
command -v clang > /dev/null || skip "clang is not installed"
echo 'int main(void) { return 0; }' > "$work/probe.c"
clang -fsanitize=thread "$work/probe.c" -o "$work/probe" 2> /dev/null ||
    skip "this clang has no ThreadSanitizer runtime"
# Its runtime wants the usual memory layout; newer kernels randomise more than it can take.
run=
"$work/probe" 2> /dev/null || { run="setarch -R"; $run "$work/probe" 2> /dev/null; } ||
    skip "ThreadSanitizer does not run on this kernel"

clang -std=gnu11 -D_GNU_SOURCE -O2 -g -fsanitize=thread -pthread -I"$root" -Wall -Wextra -Werror \
    "$root"/tests/ring/stress_ring.c "$root"/ring/ring_spsc.c "$root"/ring/ring_bcast.c "$root"/ring/wait.c \
    "$root"/base/invariant.c -o "$work/stress_ring" || exit 1
export TSAN_OPTIONS="halt_on_error=1 exitcode=66"
for i in $(seq $runs); do
    timeout 60 $run "$work/stress_ring" $percent > "$work/out" 2>&1
    rc=$?
    if [ $rc -ne 0 ]; then
        echo "run $i of $runs ended with $rc"
        cat "$work/out"
        exit 1
    fi
done
echo "$runs runs, no report"
