#!/usr/bin/env bash
# Goal: the capture code that sees the MySQL library also compiles against Oracle's libmysqlclient.
# Its headers come from Debian sid's libmysqlclient-dev, unpacked into a folder of its own.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cache=${MILLRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace}/oracle-client
include=$cache/root/usr/include/mysql
if [ ! -f "$include/mysql.h" ]; then
    if ! "$root/tools/debian-unpack" sid "$cache" libmysqlclient-dev; then
        echo "skipped: Debian sid's libmysqlclient-dev cannot be fetched (no registry, or $cache not writable)"
        exit 77
    fi
fi
shopt -s nullglob
sources=("$root"/capture/mysql_*.c)
[ ${#sources[@]} -gt 0 ] || { echo "no capture/mysql_*.c to compile"; exit 1; }
for source in "${sources[@]}"; do
    cc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -I"$root" -isystem "$include" \
        -isystem "${include%/mysql}" "$source" || exit 1
    # with Connector/C's headers this macro is set: make sure that we did not compile against those
    echo "$source compiles against Oracle's client library"
done
