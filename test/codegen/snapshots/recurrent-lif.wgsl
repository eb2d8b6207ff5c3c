// lif, all steps forward; 1 neuron a thread

struct Launch {
  steps: u32,
  size: u32,
  channels: u32,
  threads: u32,
  row: u32,
}

@group(0) @binding(0) var<storage, read> x_buffer: array<f32>;
@group(0) @binding(1) var<storage, read> bias_buffer: array<f32>;
@group(0) @binding(2) var<storage, read> mix_weights_buffer: array<f32>;
@group(0) @binding(3) var<storage, read_write> spike_buffer: array<f32>;
@group(0) @binding(4) var<storage, read_write> mixed_buffer: array<f32>;
@group(0) @binding(5) var<uniform> launch: Launch;

struct Step {
  v_: f32,
  previous_: f32,
  spike_: f32,
  mixed_: f32,
}

// One step: the next states and the outputs.
fn advance(v_: f32, x_: f32, mixed_: f32, k0: f32) -> Step {
  let a5 = mixed_ + k0;
  let a6 = x_ + a5;
  let a7 = a6 - v_;
  let a9 = a7 * 0.5f;
  let a10 = v_ + a9;
  let a12 = a10 >= 1.0f;
  let a13 = select(0.0f, 1.0f, a12);
  let a14 = select(a10, 0.0f, a12);
  return Step(a14, a13, a13, mixed_);
}

struct Neurons {
  at: u32,
  channel: u32,
  live: bool,
  lane: u32,
  sample: u32,
}

// A sample's neurons lie 64 apart in a thread. A thread without a neuron goes along to the barriers on the first one of all, and writes nothing.
fn neuronsOf(thread: u32) -> Neurons {
  let sample = thread % 64u / 64u;
  let first = thread / 64u * launch.channels;
  let lane = thread % 64u;
  let channel = u32(lane);
  let live = (channel < u32(launch.channels)) & bool(first < launch.size);
  return Neurons(select(u32(0u), first + channel, live), select(u32(0u), channel, live), live, lane, sample);
}

fn weightsAt(row: u32, channel: u32) -> f32 {
  return f32(mix_weights_buffer[row + channel]);
}

var<workgroup> fired: array<atomic<u32>, 4>;
var<workgroup> firedRow: array<u32, 64>;
var<workgroup> firedSpike: array<f32, 64>;

// The sum over j of spikes[j] · weights[j, i], in the order of j. The bits of two turns take turns, since those of one are cleared while the other's are read.
fn recurrentProduct(n: Neurons, spikes: f32, turn: u32) -> f32 {
  let bits = (turn * 1u + n.sample) * 2u;
  let first = n.sample * 64u;
  let fires = n.live & (spikes != f32(0.0));
  if (fires) { atomicOr(&fired[bits + n.channel / 32u], 1u << (n.channel % 32u)); }
  workgroupBarrier();
  if (n.lane < 2u) { atomicStore(&fired[((1u - turn) * 1u + n.sample) * 2u + n.lane], 0u); }
  var count = 0u;
  var place = u32(0u);
  for (var w = 0u; w < 2u; w++) {
    let word = atomicLoad(&fired[bits + w]);
    place = select(place, u32(count) + countOneBits(u32(word) & ((u32(1u) << (n.channel % 32u)) - 1u)), n.channel / 32u == u32(w));
    count += countOneBits(word);
  }
  if (fires) {
    firedRow[first + place] = n.channel * launch.channels;
    firedSpike[first + place] = spikes;
  }
  workgroupBarrier();
  var sum = f32(0.0);
  var k = 0u;
  for (; k + 4u <= count; k += 4u) {
    let w0 = weightsAt(firedRow[first + k], n.channel);
    let w1 = weightsAt(firedRow[first + k + 1u], n.channel);
    let w2 = weightsAt(firedRow[first + k + 2u], n.channel);
    let w3 = weightsAt(firedRow[first + k + 3u], n.channel);
    sum += firedSpike[first + k] * w0;
    sum += firedSpike[first + k + 1u] * w1;
    sum += firedSpike[first + k + 2u] * w2;
    sum += firedSpike[first + k + 3u] * w3;
  }
  for (; k < count; k++) { sum += firedSpike[first + k] * weightsAt(firedRow[first + k], n.channel); }
  return sum;
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let n = neuronsOf(id.y * launch.row + id.x);
  let thread = 0u;
  let threads = launch.size;
  let k0 = f32(bias_buffer[0]);
  var v_ = 0.0f;
  var previous_ = 0.0f;
  var at = thread;
  for (var t = 0u; t < launch.steps; t++) {
    let product = recurrentProduct(n, previous_, t % 2u);
    let now = advance(v_, f32(x_buffer[at + n.at]), product, k0);
    if (n.live) { spike_buffer[at + n.at] = now.spike_; }
    if (n.live) { mixed_buffer[at + n.at] = now.mixed_; }
    v_ = now.v_;
    previous_ = now.previous_;
    at += threads;
  }
}

// lif, all steps backward; 1 neuron a thread; the trajectory is recomputed whole

struct Launch {
  steps: u32,
  size: u32,
  channels: u32,
  threads: u32,
  row: u32,
}

@group(0) @binding(0) var<storage, read> x_buffer: array<f32>;
@group(0) @binding(1) var<storage, read> bias_buffer: array<f32>;
@group(0) @binding(2) var<storage, read> mix_weights_buffer: array<f32>;
@group(0) @binding(3) var<storage, read> mixed_buffer: array<f32>;
@group(0) @binding(4) var<storage, read> d_spike_buffer: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad_x_buffer: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_mixed_buffer: array<f32>;
@group(0) @binding(7) var<uniform> launch: Launch;

struct Advanced {
  v_: f32,
}

// One step forward, for the states.
fn advance(v_: f32, x_: f32, mixed_: f32, k0: f32) -> Advanced {
  let a5 = mixed_ + k0;
  let a6 = x_ + a5;
  let a7 = a6 - v_;
  let a9 = a7 * 0.5f;
  let a10 = v_ + a9;
  let a12 = a10 >= 1.0f;
  let a13 = select(a10, 0.0f, a12);
  return Advanced(a13);
}

struct Reversed {
  adjoint_v_: f32,
  adjoint_previous_: f32,
  grad_x_: f32,
  grad_mixed_: f32,
}

// One step backward: the adjoints of the states before it, the gradients of its inputs, terms of sums.
fn reverse(v_: f32, x_: f32, mixed_: f32, k0: f32, d_spike_: f32, adjoint_v_: f32, adjoint_previous_: f32) -> Reversed {
  let r6 = mixed_ + k0;
  let r7 = x_ + r6;
  let r8 = r7 - v_;
  let r10 = r8 * 0.5f;
  let r11 = v_ + r10;
  let r12 = r11 - 1.0f;
  let r14 = r11 >= 1.0f;
  let r15 = select(adjoint_v_, 0.0f, r14);
  let r18 = d_spike_ + adjoint_previous_;
  let r19 = adjoint_v_ * r11;
  let r20 = r18 - r19;
  let r22 = r12 * 3.1415927f;
  let r23 = r22 * r22;
  let r24 = r23 + 1.0f;
  let r25 = 1.0f / r24;
  let r26 = r20 * r25;
  let r27 = r15 + r26;
  let r28 = r27 * 0.5f;
  let r29 = r27 - r28;
  return Reversed(r29, 0.0f, r28, r28);
}

struct Neurons {
  at: u32,
  channel: u32,
  live: bool,
  lane: u32,
  sample: u32,
}

// A sample's neurons lie 64 apart in a thread. A thread without a neuron goes along to the barriers on the first one of all, and writes nothing.
fn neuronsOf(thread: u32) -> Neurons {
  let sample = thread % 64u / 64u;
  let first = thread / 64u * launch.channels;
  let lane = thread % 64u;
  let channel = u32(lane);
  let live = (channel < u32(launch.channels)) & bool(first < launch.size);
  return Neurons(select(u32(0u), first + channel, live), select(u32(0u), channel, live), live, lane, sample);
}

fn weightsAt(row: u32, channel: u32) -> f32 {
  return f32(mix_weights_buffer[row + channel]);
}

var<workgroup> slopesOf: array<f32, 64>;

// The sum over i of slopes[i] · transposed[i, j], in the order of i.
fn recurrentAdjoint(n: Neurons, slopes: f32) -> f32 {
  let first = n.sample * 64u;
  slopesOf[first + n.lane] = slopes;
  workgroupBarrier();
  var sum = f32(0.0);
  var k = 0u;
  for (; k + 4u <= launch.channels; k += 4u) {
    let w0 = weightsAt(k * launch.channels, n.channel);
    let w1 = weightsAt((k + 1u) * launch.channels, n.channel);
    let w2 = weightsAt((k + 2u) * launch.channels, n.channel);
    let w3 = weightsAt((k + 3u) * launch.channels, n.channel);
    sum += slopesOf[first + k] * w0;
    sum += slopesOf[first + k + 1u] * w1;
    sum += slopesOf[first + k + 2u] * w2;
    sum += slopesOf[first + k + 3u] * w3;
  }
  for (; k < launch.channels; k++) { sum += slopesOf[first + k] * weightsAt(k * launch.channels, n.channel); }
  workgroupBarrier();
  return sum;
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u) {
  let n = neuronsOf(id.y * launch.row + id.x);
  let thread = 0u;
  let threads = launch.size;
  let k0 = f32(bias_buffer[0]);
  var adjoint_v_ = 0.0f;
  var adjoint_previous_ = 0.0f;
  let v_0 = 0.0f;
  var v_all: array<f32, 8>;
  var x_all: array<f32, 8>;
  var mixed_all: array<f32, 8>;
  var v_ = v_0;
  var at = thread;
  for (var k = 0u; k < 8u; k++) {
    v_all[k] = v_;
    x_all[k] = f32(x_buffer[at + n.at]);
    mixed_all[k] = f32(mixed_buffer[at + n.at]);
    let next = advance(v_all[k], x_all[k], mixed_all[k], k0);
    v_ = next.v_;
    at += threads;
  }
  for (var left = 8u; left > 0u; left--) {
    let k = left - 1u;
    at -= threads;
    let back = reverse(v_all[k], x_all[k], mixed_all[k], k0, f32(d_spike_buffer[at + n.at]), adjoint_v_, adjoint_previous_);
    if (n.live) { grad_x_buffer[at + n.at] = back.grad_x_; }
    if (n.live) { grad_mixed_buffer[at + n.at] = back.grad_mixed_; }
    adjoint_v_ = back.adjoint_v_;
    adjoint_previous_ = back.adjoint_previous_;
    adjoint_previous_ += recurrentAdjoint(n, back.grad_mixed_);
  }
}
