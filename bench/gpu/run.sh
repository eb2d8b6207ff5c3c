#!/bin/sh
# Runs the benchmark on a machine with a GPU:  bench/gpu/run.sh RESULTS.json [options of bench.mjs]
# In a pack made by pack.mjs, Node comes from the pack, and the peers' sources too; nothing is downloaded.
set -eu
[ $# -ge 1 ] || { echo "usage: $0 RESULTS.json [options of bench.mjs]" >&2; exit 2; }
results=$1
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
node=node
if [ -f "$root/node.xz" ]; then
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' EXIT
  trap 'exit 1' HUP INT TERM
  node=$unpacked/node
  if command -v xz >/dev/null; then
    xz -dc "$root/node.xz" >"$node"
  else
    python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], "wb"))' "$root/node.xz" "$node"
  fi
  chmod +x "$node"
fi
[ ! -d "$root/sources" ] || set -- --sources "$root/sources" "$@"
"$node" "$root/bench/gpu/bench.mjs" --out "$results" "$@"
