#!/usr/bin/env bash
# tsan.sh SOURCE_ROOT: the stress of chunks' and segments' lifetimes, and that of a log which shows what is not durable,
# under clang's ThreadSanitizer.  It watches the chunks' plain bytes: with the release of chunk_unpin relaxed, for one,
# it reports.  It does not model fences: those are test_lifetime's business.
set -u
root=$1
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

mkdir "$work/o" && cd "$work/o" || exit 1
printf '%s\n' "$root"/tests/storage/{stress_lifetime,stress_written,held_slice,producer}.c \
    "$root"/{storage,ring,base,formats}/*.c |
    xargs -P "$(nproc)" -n 4 clang -c -std=gnu11 -D_GNU_SOURCE -O1 -g -fsanitize=thread -pthread -I"$root" || exit 1
mkdir main && mv stress_*.o main || exit 1
export TSAN_OPTIONS="halt_on_error=1 exitcode=66"
for name in stress_lifetime stress_written; do
    clang -fsanitize=thread -pthread "main/$name.o" ./*.o -lisal -luring -llz4 -lzstd -lz -lm -o "$work/$name" || exit 1
    TMPDIR=$work timeout 50 $run "$work/$name" 4 > "$work/out" 2>&1
    rc=$?
    cat "$work/out"
    [ $rc = 0 ] || exit $rc
done
