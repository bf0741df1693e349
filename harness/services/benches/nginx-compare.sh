#!/bin/sh
# Compares the service with nginx: the same 1 GiB file, the same client (curl), the same disk, in turn.
#
#   sudo apt-get install nginx-light curl     # nginx is only run from here, with a configuration of its own
#   harness/services/benches/nginx-compare.sh [ROUNDS] [MIB] [FOLDER]
#
# Prints each round, then medians in MiB/s and the ratios service / nginx, with the CPU seconds that each server used.
# Exits with 1 when GET or PUT falls below 0.7. nginx takes the file by WebDAV PUT, the service by Put Blob.
set -eu

rounds=${1:-5} mib=${2:-1024} above=${3:-${TMPDIR:-/tmp}}
[ "$rounds" -ge 5 ] || { echo "at least 5 rounds, or the medians mean nothing" >&2; exit 2; }
PATH=$PATH:/usr/sbin
for program in nginx curl cargo; do
    command -v $program >/dev/null || { echo "$program is missing: apt-get install nginx-light curl" >&2; exit 2; }
done
here=$(cd "$(dirname "$0")/../../.." && pwd)
cargo build -q --release --manifest-path "$here/Cargo.toml" -p handoff-services --example serve
serve=$here/target/release/examples/serve

dir=$(mktemp -d "$above/nginx-compare.XXXXXX")
nginx_pid= serve_pid=
finish() {
    exec 3>&- || true
    for pid in $nginx_pid $serve_pid; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

# A free port for nginx; the service takes one by itself.
port=20080
while curl -s -o /dev/null "http://127.0.0.1:$port/"; do port=$((port + 1)); done
mkdir "$dir/www" "$dir/tmp" "$dir/store"
cat >"$dir/nginx.conf" <<CONF
daemon off;
master_process off;
user root;
pid $dir/nginx.pid;
error_log $dir/error.log;
events { worker_connections 64; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_max_body_size 0;
    client_body_temp_path $dir/tmp;
    proxy_temp_path $dir/tmp; fastcgi_temp_path $dir/tmp; uwsgi_temp_path $dir/tmp; scgi_temp_path $dir/tmp;
    server { listen 127.0.0.1:$port; root $dir/www; location / { dav_methods PUT DELETE; dav_access user:rw; } }
}
CONF
nginx -c "$dir/nginx.conf" 2>"$dir/nginx.err" &
nginx_pid=$!

mkfifo "$dir/in"
"$serve" "$dir/store" <"$dir/in" >"$dir/out" &
serve_pid=$!
exec 3>"$dir/in"
answers=0
# Sends one line to the service and prints its answer.
ask() {
    [ -z "$1" ] || echo "$1" >&3
    answers=$((answers + 1))
    until [ "$(wc -l <"$dir/out")" -ge $answers ]; do kill -0 $serve_pid; done
    sed -n "${answers}p" "$dir/out"
}
field() { sed -n "s|.*\"$1\":\"\([^\"]*\)\".*|\1|p"; }
ask "" >"$dir/line"
url=$(field url <"$dir/line")
ask '{"mint":{"run":"bench","job":"bench"}}' >"$dir/line"
token=$(field ok <"$dir/line")
call() {
    curl -sS --noproxy '*' -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d "$2" \
        "${url}twirp/github.actions.results.api.v1.CacheService/$1"
}

head -c "${mib}M" /dev/urandom >"$dir/file"
cat "$dir/file" >/dev/null
until curl -s -o /dev/null "http://127.0.0.1:$port/"; do kill -0 $nginx_pid; done

# CPU ticks of a process; MiB/s of one transfer.
cpu() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }
speed() { curl -sS --noproxy '*' -o /dev/null -w '%{http_code} %{time_total}\n' "$@" |
    awk -v mib="$mib" '{ if ($1 !~ /^20/) { print "status " $1 > "/dev/stderr"; exit 1 } printf "%.0f\n", mib / $2 }'; }
# Earlier writes must not slow down the measured transfer.
flush() { sync; }
note() { echo "$3" >>"$dir/$1-$2"; printf ' %s %s %6s' "$1" "$2" "$3"; }

# One transfer of each kind by each server.
nginx_put() { flush; note nginx PUT "$(speed -T "$dir/file" "http://127.0.0.1:$port/file")"; }
nginx_get() { note nginx GET "$(speed "http://127.0.0.1:$port/file")"; }
serve_put() {
    target=$(call CreateCacheEntry "{\"key\":\"k$1\",\"version\":\"v\"}" | field signed_upload_url)
    flush
    note service PUT "$(speed -T "$dir/file" -H 'x-ms-blob-type: BlockBlob' "$target")"
    call FinalizeCacheEntryUpload "{\"key\":\"k$1\",\"version\":\"v\",\"size_bytes\":\"$((mib << 20))\"}" >/dev/null
}
serve_get() {
    target=$(call GetCacheEntryDownloadURL "{\"key\":\"k$1\",\"version\":\"v\"}" | field signed_download_url)
    note service GET "$(speed "$target")"
    ask '{"purge":{"run":"bench"}}' >/dev/null
}

nginx_before=$(cpu $nginx_pid) serve_before=$(cpu $serve_pid)
for round in $(seq "$rounds"); do
    printf 'round %s (MiB/s):' "$round"
    # The order alternates, so that neither always finds an idle disk.
    if [ $((round % 2)) = 0 ]; then serve_put $round; serve_get $round; fi
    nginx_put; nginx_get; rm "$dir/www/file"
    if [ $((round % 2)) = 1 ]; then serve_put $round; serve_get $round; fi
    echo
done
ticks=$(getconf CLK_TCK)
seconds() { awk -v ticks="$1" -v hz="$ticks" 'BEGIN { printf "%.2f", ticks / hz }'; }
nginx_cpu=$(seconds $(($(cpu $nginx_pid) - nginx_before))) serve_cpu=$(seconds $(($(cpu $serve_pid) - serve_before)))

median() { sort -n "$1" | awk '{ a[NR] = $1 } END { print (a[int((NR + 1) / 2)] + a[int(NR / 2) + 1]) / 2 }'; }
bad=0
for kind in GET PUT; do
    ours=$(median "$dir/service-$kind") theirs=$(median "$dir/nginx-$kind")
    ratio=$(awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.2f", a / b }')
    echo "$kind median: service $ours MiB/s, nginx $theirs MiB/s, ratio $ratio (at least 0.70)"
    awk -v r="$ratio" 'BEGIN { exit r < 0.7 }' || bad=1
done
echo "CPU of the server over all rounds: service $serve_cpu s, nginx $nginx_cpu s"
exit $bad
