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
  unxz() {
    if command -v xz >/dev/null; then
      xz -dc "$1" >"$2"
    else
      python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], "wb"))' "$1" "$2"
    fi
  }
  unxz "$root/node.xz" "$node"
  chmod +x "$node"
  dawn=$root/node_modules/webgpu/dist/linux-x64/dawn.node
  [ -f "$dawn" ] || unxz "$dawn.xz" "$dawn"
fi
[ ! -d "$root/sources" ] || set -- --sources "$root/sources" "$@"
"$node" "$root/bench/gpu/bench.mjs" --out "$results" "$@"
# Beside it, WebGPU over the vendor's Vulkan driver, where there is one.
"$node" "$root/bench/webgpu.mjs" --neurons-only >"${results%.json}-webgpu.json" || { rm -f "${results%.json}-webgpu.json"; echo "no WebGPU figures" >&2; }
