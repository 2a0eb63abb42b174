#!/usr/bin/env bash
# Writes a sample with a real server: every type in every encoding that the server has.
#
#   make-samples.sh REDIS-SERVER REDIS-CLI OUT.rdb
#
# The server runs in a temporary folder, on a port of its own, and is stopped again.
set -euo pipefail
server=$1 cli=$2 out=$(realpath -m "$3")
dir=$(mktemp -d)
port=$((20000 + RANDOM % 20000))
"$server" --port "$port" --bind 127.0.0.1 --dir "$dir" --save '' --enable-debug-command yes --daemonize no >"$dir/log" 2>&1 &
pid=$!
trap 'kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; rm -rf "$dir"' EXIT

# A command that fails ends the script; try is for what older servers do not have.
try() { "$cli" -p "$port" "$@" >/dev/null; }
r() {
  local answer
  answer=$("$cli" -e -p "$port" "$@") || { echo "failed: $* ($answer)" >&2; exit 1; }
}
for _ in $(seq 100); do "$cli" -p "$port" ping >/dev/null 2>&1 && break; sleep 0.1; done
has() { [[ -n $("$cli" -p "$port" command docs "$1") ]]; }

later=4102444800000 # 2100-01-01, in milliseconds

# Small thresholds, so that few elements leave the packed encodings.
for c in hash-max-listpack-entries:4 zset-max-listpack-entries:4 set-max-intset-entries:4 list-max-listpack-size:4 stream-node-max-entries:3; do
  r config set "${c%%:*}" "${c##*:}"
done
try config set set-max-listpack-entries 4

r set string:empty ''
r set string:text 'hello, world'
r set string:int8 -5
r set string:int16 12345
r set string:int32 -1234567890
r set string:int64 9007199254740993
r set string:long "$(printf 'compressible %.0s' {1..40})"
printf '\xff\xfe\x00\r\nbinary' | "$cli" -p "$port" -x set string:binary >/dev/null
printf 'text' | "$cli" -p "$port" -x set "$(printf 'k\xc3\xa9y "quoted"')" >/dev/null
r set string:expiring soon
r pexpireat string:expiring "$later"

r rpush list:short a 1 -200 "$(printf 'x%.0s' {1..70})"
r rpush list:nodes $(seq 1 14)
r debug quicklist-packed-threshold 100
r rpush list:plain a b c d e
r rpush list:plain "$(seq -s, 1 60)" tail
r debug quicklist-packed-threshold 1073741824

r sadd set:intset16 1 -2 300
r sadd set:intset64 1 9007199254740993
r sadd set:listpack a b 3
r sadd set:hashtable $(seq -f 'member%g' 1 8)

r zadd zset:listpack 1 one 2.5 half -inf low inf high
r zadd zset:skiplist 1 a 2 b 3.25 c 0.1 d 9007199254740993 e -0 f

r hset hash:listpack field value number 42
r hset hash:hashtable $(for i in 1 2 3 4 5 6; do echo "field$i value$i"; done)
if has hpexpireat; then
  r hset hash:ttl:listpack a 1 b 2 c 3
  r hpexpireat hash:ttl:listpack "$later" fields 2 a b
  r hset hash:ttl:hashtable $(for i in 1 2 3 4 5 6; do echo "field$i value$i"; done)
  r hpexpireat hash:ttl:hashtable "$later" fields 1 field3
fi

for i in 1 2 3 4 5 6 7; do r xadd stream:groups "160000000000$i-$i" temperature "$i" unit C; done
r xadd stream:groups 1600000000008-0 other fields here too
r xdel stream:groups 1600000000002-2
r xgroup create stream:groups readers 0
r xgroup create stream:groups idle '$'
r xreadgroup group readers alice count 3 streams stream:groups '>'
r xreadgroup group readers bob count 1 streams stream:groups '>'
r xack stream:groups readers 1600000000001-1
r xgroup createconsumer stream:groups readers carol
r xadd stream:emptied 1-1 a b
r xdel stream:emptied 1-1
if [[ $("$cli" -p "$port" xadd stream:idmp idmp producer-1 id-1 1600000000001-0 a 1 2>&1) != *ERR* ]] ||
  [[ $("$cli" -p "$port" xadd stream:idmp idmp producer-1 id-1 '*' a 1 2>&1) != *ERR* ]]; then
  r xadd stream:idmp idmp producer-1 id-2 '*' a 2
  r xadd stream:idmp idmp producer-1 id-2 '*' a 2
  r xadd stream:idmp idmp producer-2 777 '*' b 3
fi
if has vadd; then
  try vadd vectors values 3 1 0.5 -1 east
  try vadd vectors values 3 0 1 0 north
fi

printf "#!lua name=sample\nredis.register_function('double', function(keys, args) return args[1] * 2 end)\n" |
  "$cli" -p "$port" -x function load >/dev/null

r -n 3 set other:db yes
r -n 3 set other:expiring yes
r -n 3 pexpireat other:expiring "$later"
r -n 15 hset last:db a b

r save
cp "$dir/dump.rdb" "$out"
"$server" --version
"$cli" -p "$port" debug digest
