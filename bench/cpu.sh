#!/usr/bin/env bash
# Every CPU figure of docs/performance.md, one measurement after the other, into bench/results/cpu.json:
#   bench/cpu.sh SPIKINGJELLY_DIR [PYTHON]
# (a checkout and a PyTorch that go together, see bench/peers/README.md). Run it on a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
spikingjelly=$1 python=${2:-python3}
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
npm run -s build

{
  echo '{'
  echo "\"date\": \"$(date -I)\", \"command\": \"bench/cpu.sh\", \"node\": \"$(node --version)\","
  echo "\"machine\": \"$(nproc) cores of $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1)\", \"load\": \"$(cut -d' ' -f1-3 /proc/loadavg)\","
  for steps in 8 32 256; do
    echo "\"neuron lif T=$steps\": $(node dist/cli/main.js bench neuron --neuron lif --steps $steps --neurons 65536 --device cpu --budget 600 --json),"
  done
  echo "\"neuron lif T=256, as many neuron-steps as T=32\": $(node dist/cli/main.js bench neuron --neuron lif --steps 256 --neurons 8192 --device cpu --budget 600 --json),"
  echo "\"neuron synaptic T=32\": $(node dist/cli/main.js bench neuron --neuron synaptic --steps 32 --neurons 65536 --device cpu --budget 600 --json),"
  echo "\"train mlp\": $(node bench/against-spikingjelly.mjs --spikingjelly "$spikingjelly" --python "$python" --model mlp),"
  echo "\"train mlp, peer with a static first layer\": $(node bench/against-spikingjelly.mjs --spikingjelly "$spikingjelly" --python "$python" --model mlp --static-first),"
  echo "\"load in between\": \"$(cut -d' ' -f1-3 /proc/loadavg)\","
  echo "\"train conv\": $(node bench/against-spikingjelly.mjs --spikingjelly "$spikingjelly" --python "$python" --model conv --repetitions 5),"
  echo "\"load at the end\": \"$(cut -d' ' -f1-3 /proc/loadavg)\""
  echo '}'
} > bench/results/cpu.json.new
mv bench/results/cpu.json.new bench/results/cpu.json
