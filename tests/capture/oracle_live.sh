#!/usr/bin/env bash
# Goal: capture built against Oracle's libmysqlclient (-Dmysql_client=mysqlclient) follows a real server.
# The library and what it needs come from Debian sid, unpacked into a folder of their own; the program runs by that
# folder's loader and C library.
# usage: oracle_live.sh BUILD_FOLDER
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$1/oracle
cache=${MILLRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace}/oracle-library
libraries=$cache/root/usr/lib/x86_64-linux-gnu
if [ ! -f "$cache/complete" ]; then
    rm -rf "$cache"
    if ! "$root/tools/debian-unpack" --with-libraries sid "$cache" libmysqlclient-dev; then
        echo "skipped: Debian sid's libmysqlclient-dev cannot be fetched (no registry, or $cache not writable)"
        exit 77
    fi
    touch "$cache/complete"
fi
"$root/tests/servers" fetch mysql-9.7 || exit $?
if [ ! -f "$build/build.ninja" ]; then
    # The library wants a newer C library than the one that we link with: what it lacks is found when it runs.
    PKG_CONFIG_PATH=$libraries/pkgconfig PKG_CONFIG_SYSROOT_DIR=$cache/root meson setup "$build" "$root" -Dwerror=true \
        -Dmysql_client=mysqlclient -Dc_link_args=-Wl,--allow-shlib-undefined \
        >"$build.log" 2>&1 || { tail -20 "$build.log"; exit 1; }
fi
ninja -C "$build" tests/capture/test_capture_live >"$build.log" 2>&1 || { tail -30 "$build.log"; exit 1; }
program=$build/tests/capture/test_capture_live
ldd "$program" 2>/dev/null | grep -q libmariadb && { echo "$program is linked with Connector/C"; exit 1; }
exec "$root/tests/servers" run mysql-9.7 -- "$libraries/ld-linux-x86-64.so.2" \
    --library-path "$libraries:/usr/lib/x86_64-linux-gnu" "$program"
