#!/bin/sh
# Runs the benchmark on a machine with a GPU:  bench/gpu/run.sh RESULTS.json [--part smoke|a|b|c|d|e|engines] [options of the part's script]
# RESULTS.json names the pieces: RESULTS.a.json and so on, of which each goes on where it ended. Without --part all but engines run, one after the other.
# In a pack made by pack.mjs, Node comes from the pack, and the peers' sources too; nothing is downloaded.
set -eu
[ $# -ge 1 ] || { echo "usage: $0 RESULTS.json [--part smoke|a|b|c|d|e|engines] [options]" >&2; exit 2; }
results=${1%.json}
shift
parts="smoke a b c d e"
if [ "${1-}" = --part ]; then
  parts=$2
  shift 2
fi
root=$(cd "$(dirname "$0")/../.." && pwd)
node=node
if [ -f "$root/node.xz" ]; then
  # Once a machine: the parts of a short loan share it.
  unpacked=$root/unpacked
  mkdir -p "$unpacked"
  node=$unpacked/node
  unxz() {
    if command -v xz >/dev/null; then
      xz -dc "$1" >"$2.part"
    else
      python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], "wb"))' "$1" "$2.part"
    fi
    chmod +x "$2.part"
    mv "$2.part" "$2"
  }
  [ -f "$node" ] || unxz "$root/node.xz" "$node"
  dawn=$root/node_modules/webgpu/dist/linux-x64/dawn.node
  [ -f "$dawn" ] || unxz "$dawn.xz" "$dawn"
fi
# NVIDIA's libraries may be those of PyTorch's environment.
[ -n "${VIRTUAL_ENV-}" ] || export VIRTUAL_ENV="$(python3 -c 'import sys; print(sys.prefix)' 2>/dev/null || true)"
sources=
[ ! -d "$root/sources" ] || sources="--sources $root/sources"

for part in $parts; do
  echo "part $part" >&2
  out=$results.$part.json
  case $part in
    a) "$node" "$root/bench/gpu/conformance.mjs" --out "$out" "$@" ;;
    b)
      "$node" "$root/bench/gpu/bench.mjs" --out "$out" $sources "$@"
      # Beside it, WebGPU over the vendor's Vulkan driver, where there is one.
      [ -f "$results.webgpu.json" ] || timeout 60 "$node" "$root/bench/webgpu.mjs" --neurons-only >"$results.webgpu.json" || { rm -f "$results.webgpu.json"; echo "no WebGPU figures" >&2; }
      ;;
    smoke | c | d) "$node" "$root/bench/gpu/train.mjs" --part "$part" --out "$out" $sources "$@" ;;
    e)
      # The recurrent layer, with peers where their sources are in the pack.
      peers=
      [ ! -d "$root/sources" ] || peers="--snntorch $root/sources/snntorch --spikingjelly $root/sources/spikingjelly"
      "$node" "$root/bench/recurrent.mjs" --device cuda $peers "$@" >"$out.part" && mv "$out.part" "$out"
      "$node" "$root/bench/recurrent.mjs" --device cuda --scaling --repetitions 5 >"$results.scaling.json.part" && mv "$results.scaling.json.part" "$results.scaling.json"
      ;;
    engines) "$node" "$root/bench/gpu/engines.mjs" --out "$out" "$@" ;;
    *) echo "there is no part $part" >&2; exit 2 ;;
  esac
done
