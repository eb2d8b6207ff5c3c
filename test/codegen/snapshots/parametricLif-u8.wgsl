// parametricLif, all steps forward; 4 neurons a thread

struct Launch {
  steps: u32,
  size: u32,
  channels: u32,
  threads: u32,
  row: u32,
}

@group(0) @binding(0) var<storage, read> x_buffer: array<vec4f>;
@group(0) @binding(1) var<storage, read> w_buffer: array<f32>;
@group(0) @binding(2) var<storage, read_write> spike_buffer: array<u32>;
@group(0) @binding(3) var<uniform> launch: Launch;

fn exp2i(n: vec4i) -> vec4f {
  return bitcast<vec4f>((n + 127) << vec4u(23u));
}

fn isNan(x: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

fn sigmoid(x: vec4f) -> vec4f {
  let bounded = clamp(x, vec4f(-87.3365), vec4f(64.0));
  let n = round(bounded * 1.442695f);
  let r = fma(n, vec4f(-0.0000014286068f), fma(n, vec4f(-0.69314575f), bounded));
  let e = (((((0.008290289f * r + 0.041898068f) * r + 0.16667637f) * r + 0.49999148f) * r + 0.9999997f) * r + 1.0f) * exp2i(vec4i(n));
  return select(e / (1.0 + e), x, isNan(x));
}

struct Step {
  v_: vec4f,
  spike_: vec4f,
}

// One step: the next states and the outputs.
fn advance(v_: vec4f, x_: vec4f, k0: vec4f) -> Step {
  let a3 = x_ - v_;
  let a5 = a3 * k0;
  let a6 = v_ + a5;
  let a8 = a6 >= vec4f(1.0f);
  let a9 = select(vec4f(0.0f), vec4f(1.0f), a8);
  let a10 = select(a6, vec4f(0.0f), a8);
  return Step(a10, a9);
}

fn packBytes(codes: vec4u) -> u32 {
  return codes.x | (codes.y << 8u) | (codes.z << 16u) | (codes.w << 24u);
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let thread = id.y * launch.row + id.x;
  let threads = launch.threads;
  if (thread >= threads) { return; }
  let p1 = sigmoid(vec4f(w_buffer[0]));
  let k0 = p1;
  var v_ = vec4f(0.0f);
  var at = thread;
  for (var t = 0u; t < launch.steps; t++) {
    let now = advance(v_, x_buffer[at], k0);
    spike_buffer[at] = packBytes(select(vec4u(0u), vec4u(1u), now.spike_ != vec4f(0.0)));
    v_ = now.v_;
    at += threads;
  }
}

// parametricLif, all steps backward; 4 neurons a thread; the trajectory is recomputed whole

struct Launch {
  steps: u32,
  size: u32,
  channels: u32,
  threads: u32,
  row: u32,
}

@group(0) @binding(0) var<storage, read> x_buffer: array<vec4f>;
@group(0) @binding(1) var<storage, read> w_buffer: array<f32>;
@group(0) @binding(2) var<storage, read> d_spike_buffer: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> grad_x_buffer: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> grad_w_buffer: array<vec4f>;
@group(0) @binding(5) var<uniform> launch: Launch;

fn sigmoidByExp(x: vec4f) -> vec4f {
  return 1.0 / (1.0 + exp(-x));
}

fn exp2i(n: vec4i) -> vec4f {
  return bitcast<vec4f>((n + 127) << vec4u(23u));
}

fn isNan(x: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

fn sigmoid(x: vec4f) -> vec4f {
  let bounded = clamp(x, vec4f(-87.3365), vec4f(64.0));
  let n = round(bounded * 1.442695f);
  let r = fma(n, vec4f(-0.0000014286068f), fma(n, vec4f(-0.69314575f), bounded));
  let e = (((((0.008290289f * r + 0.041898068f) * r + 0.16667637f) * r + 0.49999148f) * r + 0.9999997f) * r + 1.0f) * exp2i(vec4i(n));
  return select(e / (1.0 + e), x, isNan(x));
}

struct Advanced {
  v_: vec4f,
}

// One step forward, for the states.
fn advance(v_: vec4f, x_: vec4f, k0: vec4f) -> Advanced {
  let a3 = x_ - v_;
  let a5 = a3 * k0;
  let a6 = v_ + a5;
  let a8 = a6 >= vec4f(1.0f);
  let a9 = select(a6, vec4f(0.0f), a8);
  return Advanced(a9);
}

struct Reversed {
  adjoint_v_: vec4f,
  grad_x_: vec4f,
  sum_k0_: vec4f,
}

// One step backward: the adjoints of the states before it, the gradients of its inputs, terms of sums.
fn reverse(v_: vec4f, x_: vec4f, k0: vec4f, d_spike_: vec4f, adjoint_v_: vec4f) -> Reversed {
  let r4 = x_ - v_;
  let r6 = r4 * k0;
  let r7 = v_ + r6;
  let r8 = r7 - 1.0f;
  let r10 = r7 >= vec4f(1.0f);
  let r11 = select(adjoint_v_, vec4f(0.0f), r10);
  let r13 = adjoint_v_ * r7;
  let r14 = d_spike_ - r13;
  let r16 = r8 * 4.0f;
  let r17 = sigmoidByExp(r16);
  let r18 = 1.0f - r17;
  let r19 = r18 * r17;
  let r20 = r19 * 4.0f;
  let r21 = r14 * r20;
  let r22 = r11 + r21;
  let r23 = r22 * k0;
  let r24 = r22 - r23;
  let r25 = r22 * r4;
  return Reversed(r24, r23, r25);
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u) {
  let thread = id.y * launch.row + id.x;
  let threads = launch.threads;
  if (thread >= threads) { return; }
  let p1 = sigmoid(vec4f(w_buffer[0]));
  let p3 = 1.0f - p1;
  let k0 = p1;
  let k1 = p3;
  var adjoint_v_ = vec4f(0.0f);
  var sum_k0_ = vec4f(0.0f);
  let v_0 = vec4f(0.0f);
  var at = thread;
  let x_0 = x_buffer[at];
  let step0 = advance(v_0, x_0, k0);
  let v_1 = step0.v_;
  at += threads;
  let x_1 = x_buffer[at];
  let step1 = advance(v_1, x_1, k0);
  let v_2 = step1.v_;
  at += threads;
  let x_2 = x_buffer[at];
  let step2 = advance(v_2, x_2, k0);
  let v_3 = step2.v_;
  at += threads;
  let x_3 = x_buffer[at];
  let step3 = advance(v_3, x_3, k0);
  let v_4 = step3.v_;
  at += threads;
  let x_4 = x_buffer[at];
  let step4 = advance(v_4, x_4, k0);
  let v_5 = step4.v_;
  at += threads;
  let x_5 = x_buffer[at];
  let step5 = advance(v_5, x_5, k0);
  let v_6 = step5.v_;
  at += threads;
  let x_6 = x_buffer[at];
  let step6 = advance(v_6, x_6, k0);
  let v_7 = step6.v_;
  at += threads;
  let x_7 = x_buffer[at];
  let back7 = reverse(v_7, x_7, k0, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back7.grad_x_;
  sum_k0_ += back7.sum_k0_;
  adjoint_v_ = back7.adjoint_v_;
  at -= threads;
  let back6 = reverse(v_6, x_6, k0, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back6.grad_x_;
  sum_k0_ += back6.sum_k0_;
  adjoint_v_ = back6.adjoint_v_;
  at -= threads;
  let back5 = reverse(v_5, x_5, k0, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back5.grad_x_;
  sum_k0_ += back5.sum_k0_;
  adjoint_v_ = back5.adjoint_v_;
  at -= threads;
  let back4 = reverse(v_4, x_4, k0, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back4.grad_x_;
  sum_k0_ += back4.sum_k0_;
  adjoint_v_ = back4.adjoint_v_;
  at -= threads;
  let back3 = reverse(v_3, x_3, k0, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back3.grad_x_;
  sum_k0_ += back3.sum_k0_;
  adjoint_v_ = back3.adjoint_v_;
  at -= threads;
  let back2 = reverse(v_2, x_2, k0, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back2.grad_x_;
  sum_k0_ += back2.sum_k0_;
  adjoint_v_ = back2.adjoint_v_;
  at -= threads;
  let back1 = reverse(v_1, x_1, k0, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back1.grad_x_;
  sum_k0_ += back1.sum_k0_;
  adjoint_v_ = back1.adjoint_v_;
  at -= threads;
  let back0 = reverse(v_0, x_0, k0, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back0.grad_x_;
  sum_k0_ += back0.sum_k0_;
  adjoint_v_ = back0.adjoint_v_;
  let e2 = sum_k0_ * k0;
  let e4 = e2 * k1;
  grad_w_buffer[thread] = e4;
}
