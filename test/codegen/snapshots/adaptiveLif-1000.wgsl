// adaptiveLif, all steps forward; 4 neurons a thread

struct Launch {
  steps: u32,
  size: u32,
  channels: u32,
  threads: u32,
  row: u32,
}

@group(0) @binding(0) var<storage, read> x_buffer: array<vec4f>;
@group(0) @binding(1) var<storage, read> decay_buffer: array<f32>;
@group(0) @binding(2) var<storage, read> rho_buffer: array<f32>;
@group(0) @binding(3) var<storage, read> beta_buffer: array<f32>;
@group(0) @binding(4) var<storage, read_write> spike_buffer: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> checkpoint_v_buffer: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> checkpoint_a_buffer: array<vec4f>;
@group(0) @binding(7) var<uniform> launch: Launch;

struct Step {
  v_: vec4f,
  a_: vec4f,
  spike_: vec4f,
}

// One step: the next states and the outputs.
fn advance(v_: vec4f, a_: vec4f, x_: vec4f, k0: vec4f, k1: vec4f, k2: vec4f) -> Step {
  let a2 = v_ * k0;
  let a4 = a2 + x_;
  let a7 = a_ * k1;
  let a8 = a4 - a7;
  let a11 = a8 >= vec4f(1.0f);
  let a12 = select(vec4f(0.0f), vec4f(1.0f), a11);
  let a13 = a4 - a12;
  let a15 = a_ * k2;
  let a16 = a15 + a12;
  return Step(a13, a16, a12);
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let thread = id.y * launch.row + id.x;
  let threads = launch.threads;
  if (thread >= threads) { return; }
  let k0 = vec4f(decay_buffer[0]);
  let k1 = vec4f(beta_buffer[(4u * thread) % launch.channels], beta_buffer[(4u * thread + 1u) % launch.channels], beta_buffer[(4u * thread + 2u) % launch.channels], beta_buffer[(4u * thread + 3u) % launch.channels]);
  let k2 = vec4f(rho_buffer[0]);
  var v_ = vec4f(0.0f);
  var a_ = vec4f(0.0f);
  var at = thread;
  for (var t = 0u; t < launch.steps; t++) {
    if (t > 0u && t % 32u == 0u) {
      let saved = (t / 32u - 1u) * threads + thread;
      checkpoint_v_buffer[saved] = v_;
      checkpoint_a_buffer[saved] = a_;
    }
    let now = advance(v_, a_, x_buffer[at], k0, k1, k2);
    spike_buffer[at] = now.spike_;
    v_ = now.v_;
    a_ = now.a_;
    at += threads;
  }
}

// adaptiveLif, all steps backward; 1 neuron a thread; the trajectory is recomputed 32 steps at a time

struct Launch {
  steps: u32,
  size: u32,
  channels: u32,
  threads: u32,
  row: u32,
  decay_offset: u32,
  rho_offset: u32,
}

@group(0) @binding(0) var<storage, read> x_buffer: array<f32>;
@group(0) @binding(1) var<storage, read> decay_and_rho_buffer: array<f32>;
@group(0) @binding(2) var<storage, read> beta_buffer: array<f32>;
@group(0) @binding(3) var<storage, read> checkpoint_v_buffer: array<f32>;
@group(0) @binding(4) var<storage, read> checkpoint_a_buffer: array<f32>;
@group(0) @binding(5) var<storage, read> d_spike_buffer: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_x_buffer: array<f32>;
@group(0) @binding(7) var<storage, read_write> grad_beta_buffer: array<f32>;
@group(0) @binding(8) var<uniform> launch: Launch;

struct Advanced {
  v_: f32,
  a_: f32,
}

// One step forward, for the states.
fn advance(v_: f32, a_: f32, x_: f32, k0: f32, k1: f32, k2: f32) -> Advanced {
  let a2 = v_ * k0;
  let a4 = a2 + x_;
  let a7 = a_ * k1;
  let a8 = a4 - a7;
  let a11 = a8 >= 1.0f;
  let a12 = select(0.0f, 1.0f, a11);
  let a13 = a4 - a12;
  let a15 = a_ * k2;
  let a16 = a15 + a12;
  return Advanced(a13, a16);
}

struct Reversed {
  adjoint_v_: f32,
  adjoint_a_: f32,
  grad_x_: f32,
  sum_k1_: f32,
}

// One step backward: the adjoints of the states before it, the gradients of its inputs, terms of sums.
fn reverse(v_: f32, a_: f32, x_: f32, k0: f32, k1: f32, k2: f32, d_spike_: f32, adjoint_v_: f32, adjoint_a_: f32) -> Reversed {
  let r3 = d_spike_ + adjoint_a_;
  let r4 = r3 - adjoint_v_;
  let r8 = v_ * k0;
  let r10 = r8 + x_;
  let r13 = a_ * k1;
  let r14 = r10 - r13;
  let r15 = r14 - 1.0f;
  let r17 = r15 * 3.1415927f;
  let r18 = r17 * r17;
  let r19 = r18 + 1.0f;
  let r20 = 1.0f / r19;
  let r21 = r4 * r20;
  let r22 = adjoint_v_ + r21;
  let r23 = r22 * k0;
  let r25 = adjoint_a_ * k2;
  let r26 = -r21;
  let r27 = r26 * k1;
  let r28 = r25 + r27;
  let r29 = r26 * a_;
  return Reversed(r23, r28, r22, r29);
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u) {
  let thread = id.y * launch.row + id.x;
  let threads = launch.threads;
  if (thread >= threads) { return; }
  let k0 = f32(decay_and_rho_buffer[launch.decay_offset]);
  let k1 = f32(beta_buffer[(thread) % launch.channels]);
  let k2 = f32(decay_and_rho_buffer[launch.rho_offset]);
  var adjoint_v_ = 0.0f;
  var adjoint_a_ = 0.0f;
  var sum_k1_ = 0.0f;
  var sum1_k1_ = 0.0f;
  var sum2_k1_ = 0.0f;
  var sum3_k1_ = 0.0f;
  let pieces = launch.steps / 32u;
  {
    let t0 = 32u * pieces;
    var v_0 = 0.0f;
    var a_0 = 0.0f;
    if (t0 > 0u) {
      let saved = (t0 / 32u - 1u) * threads + thread;
      v_0 = checkpoint_v_buffer[saved];
      a_0 = checkpoint_a_buffer[saved];
    }
    var at = t0 * threads + thread;
    let x_0 = x_buffer[at];
    let step0 = advance(v_0, a_0, x_0, k0, k1, k2);
    let v_1 = step0.v_;
    let a_1 = step0.a_;
    at += threads;
    let x_1 = x_buffer[at];
    let step1 = advance(v_1, a_1, x_1, k0, k1, k2);
    let v_2 = step1.v_;
    let a_2 = step1.a_;
    at += threads;
    let x_2 = x_buffer[at];
    let step2 = advance(v_2, a_2, x_2, k0, k1, k2);
    let v_3 = step2.v_;
    let a_3 = step2.a_;
    at += threads;
    let x_3 = x_buffer[at];
    let step3 = advance(v_3, a_3, x_3, k0, k1, k2);
    let v_4 = step3.v_;
    let a_4 = step3.a_;
    at += threads;
    let x_4 = x_buffer[at];
    let step4 = advance(v_4, a_4, x_4, k0, k1, k2);
    let v_5 = step4.v_;
    let a_5 = step4.a_;
    at += threads;
    let x_5 = x_buffer[at];
    let step5 = advance(v_5, a_5, x_5, k0, k1, k2);
    let v_6 = step5.v_;
    let a_6 = step5.a_;
    at += threads;
    let x_6 = x_buffer[at];
    let step6 = advance(v_6, a_6, x_6, k0, k1, k2);
    let v_7 = step6.v_;
    let a_7 = step6.a_;
    at += threads;
    let x_7 = x_buffer[at];
    let back7 = reverse(v_7, a_7, x_7, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back7.grad_x_;
    sum_k1_ += back7.sum_k1_;
    adjoint_v_ = back7.adjoint_v_;
    adjoint_a_ = back7.adjoint_a_;
    at -= threads;
    let back6 = reverse(v_6, a_6, x_6, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back6.grad_x_;
    sum_k1_ += back6.sum_k1_;
    adjoint_v_ = back6.adjoint_v_;
    adjoint_a_ = back6.adjoint_a_;
    at -= threads;
    let back5 = reverse(v_5, a_5, x_5, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back5.grad_x_;
    sum_k1_ += back5.sum_k1_;
    adjoint_v_ = back5.adjoint_v_;
    adjoint_a_ = back5.adjoint_a_;
    at -= threads;
    let back4 = reverse(v_4, a_4, x_4, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back4.grad_x_;
    sum_k1_ += back4.sum_k1_;
    adjoint_v_ = back4.adjoint_v_;
    adjoint_a_ = back4.adjoint_a_;
    at -= threads;
    let back3 = reverse(v_3, a_3, x_3, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back3.grad_x_;
    sum_k1_ += back3.sum_k1_;
    adjoint_v_ = back3.adjoint_v_;
    adjoint_a_ = back3.adjoint_a_;
    at -= threads;
    let back2 = reverse(v_2, a_2, x_2, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back2.grad_x_;
    sum_k1_ += back2.sum_k1_;
    adjoint_v_ = back2.adjoint_v_;
    adjoint_a_ = back2.adjoint_a_;
    at -= threads;
    let back1 = reverse(v_1, a_1, x_1, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back1.grad_x_;
    sum_k1_ += back1.sum_k1_;
    adjoint_v_ = back1.adjoint_v_;
    adjoint_a_ = back1.adjoint_a_;
    at -= threads;
    let back0 = reverse(v_0, a_0, x_0, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back0.grad_x_;
    sum_k1_ += back0.sum_k1_;
    adjoint_v_ = back0.adjoint_v_;
    adjoint_a_ = back0.adjoint_a_;
    sum1_k1_ += sum_k1_;
    sum_k1_ = 0.0f;
    if (pieces % 64u == 0u) {
      sum2_k1_ += sum1_k1_;
      sum1_k1_ = 0.0f;
      if (pieces % 4096u == 0u) {
        sum3_k1_ += sum2_k1_;
        sum2_k1_ = 0.0f;
      }
    }
  }
  for (var left = pieces; left > 0u; left--) {
    let t0 = 32u * (left - 1u);
    var v_0 = 0.0f;
    var a_0 = 0.0f;
    if (t0 > 0u) {
      let saved = (t0 / 32u - 1u) * threads + thread;
      v_0 = checkpoint_v_buffer[saved];
      a_0 = checkpoint_a_buffer[saved];
    }
    var at = t0 * threads + thread;
    let x_0 = x_buffer[at];
    let step0 = advance(v_0, a_0, x_0, k0, k1, k2);
    let v_1 = step0.v_;
    let a_1 = step0.a_;
    at += threads;
    let x_1 = x_buffer[at];
    let step1 = advance(v_1, a_1, x_1, k0, k1, k2);
    let v_2 = step1.v_;
    let a_2 = step1.a_;
    at += threads;
    let x_2 = x_buffer[at];
    let step2 = advance(v_2, a_2, x_2, k0, k1, k2);
    let v_3 = step2.v_;
    let a_3 = step2.a_;
    at += threads;
    let x_3 = x_buffer[at];
    let step3 = advance(v_3, a_3, x_3, k0, k1, k2);
    let v_4 = step3.v_;
    let a_4 = step3.a_;
    at += threads;
    let x_4 = x_buffer[at];
    let step4 = advance(v_4, a_4, x_4, k0, k1, k2);
    let v_5 = step4.v_;
    let a_5 = step4.a_;
    at += threads;
    let x_5 = x_buffer[at];
    let step5 = advance(v_5, a_5, x_5, k0, k1, k2);
    let v_6 = step5.v_;
    let a_6 = step5.a_;
    at += threads;
    let x_6 = x_buffer[at];
    let step6 = advance(v_6, a_6, x_6, k0, k1, k2);
    let v_7 = step6.v_;
    let a_7 = step6.a_;
    at += threads;
    let x_7 = x_buffer[at];
    let step7 = advance(v_7, a_7, x_7, k0, k1, k2);
    let v_8 = step7.v_;
    let a_8 = step7.a_;
    at += threads;
    let x_8 = x_buffer[at];
    let step8 = advance(v_8, a_8, x_8, k0, k1, k2);
    let v_9 = step8.v_;
    let a_9 = step8.a_;
    at += threads;
    let x_9 = x_buffer[at];
    let step9 = advance(v_9, a_9, x_9, k0, k1, k2);
    let v_10 = step9.v_;
    let a_10 = step9.a_;
    at += threads;
    let x_10 = x_buffer[at];
    let step10 = advance(v_10, a_10, x_10, k0, k1, k2);
    let v_11 = step10.v_;
    let a_11 = step10.a_;
    at += threads;
    let x_11 = x_buffer[at];
    let step11 = advance(v_11, a_11, x_11, k0, k1, k2);
    let v_12 = step11.v_;
    let a_12 = step11.a_;
    at += threads;
    let x_12 = x_buffer[at];
    let step12 = advance(v_12, a_12, x_12, k0, k1, k2);
    let v_13 = step12.v_;
    let a_13 = step12.a_;
    at += threads;
    let x_13 = x_buffer[at];
    let step13 = advance(v_13, a_13, x_13, k0, k1, k2);
    let v_14 = step13.v_;
    let a_14 = step13.a_;
    at += threads;
    let x_14 = x_buffer[at];
    let step14 = advance(v_14, a_14, x_14, k0, k1, k2);
    let v_15 = step14.v_;
    let a_15 = step14.a_;
    at += threads;
    let x_15 = x_buffer[at];
    let step15 = advance(v_15, a_15, x_15, k0, k1, k2);
    let v_16 = step15.v_;
    let a_16 = step15.a_;
    at += threads;
    let x_16 = x_buffer[at];
    let step16 = advance(v_16, a_16, x_16, k0, k1, k2);
    let v_17 = step16.v_;
    let a_17 = step16.a_;
    at += threads;
    let x_17 = x_buffer[at];
    let step17 = advance(v_17, a_17, x_17, k0, k1, k2);
    let v_18 = step17.v_;
    let a_18 = step17.a_;
    at += threads;
    let x_18 = x_buffer[at];
    let step18 = advance(v_18, a_18, x_18, k0, k1, k2);
    let v_19 = step18.v_;
    let a_19 = step18.a_;
    at += threads;
    let x_19 = x_buffer[at];
    let step19 = advance(v_19, a_19, x_19, k0, k1, k2);
    let v_20 = step19.v_;
    let a_20 = step19.a_;
    at += threads;
    let x_20 = x_buffer[at];
    let step20 = advance(v_20, a_20, x_20, k0, k1, k2);
    let v_21 = step20.v_;
    let a_21 = step20.a_;
    at += threads;
    let x_21 = x_buffer[at];
    let step21 = advance(v_21, a_21, x_21, k0, k1, k2);
    let v_22 = step21.v_;
    let a_22 = step21.a_;
    at += threads;
    let x_22 = x_buffer[at];
    let step22 = advance(v_22, a_22, x_22, k0, k1, k2);
    let v_23 = step22.v_;
    let a_23 = step22.a_;
    at += threads;
    let x_23 = x_buffer[at];
    let step23 = advance(v_23, a_23, x_23, k0, k1, k2);
    let v_24 = step23.v_;
    let a_24 = step23.a_;
    at += threads;
    let x_24 = x_buffer[at];
    let step24 = advance(v_24, a_24, x_24, k0, k1, k2);
    let v_25 = step24.v_;
    let a_25 = step24.a_;
    at += threads;
    let x_25 = x_buffer[at];
    let step25 = advance(v_25, a_25, x_25, k0, k1, k2);
    let v_26 = step25.v_;
    let a_26 = step25.a_;
    at += threads;
    let x_26 = x_buffer[at];
    let step26 = advance(v_26, a_26, x_26, k0, k1, k2);
    let v_27 = step26.v_;
    let a_27 = step26.a_;
    at += threads;
    let x_27 = x_buffer[at];
    let step27 = advance(v_27, a_27, x_27, k0, k1, k2);
    let v_28 = step27.v_;
    let a_28 = step27.a_;
    at += threads;
    let x_28 = x_buffer[at];
    let step28 = advance(v_28, a_28, x_28, k0, k1, k2);
    let v_29 = step28.v_;
    let a_29 = step28.a_;
    at += threads;
    let x_29 = x_buffer[at];
    let step29 = advance(v_29, a_29, x_29, k0, k1, k2);
    let v_30 = step29.v_;
    let a_30 = step29.a_;
    at += threads;
    let x_30 = x_buffer[at];
    let step30 = advance(v_30, a_30, x_30, k0, k1, k2);
    let v_31 = step30.v_;
    let a_31 = step30.a_;
    at += threads;
    let x_31 = x_buffer[at];
    let back31 = reverse(v_31, a_31, x_31, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back31.grad_x_;
    sum_k1_ += back31.sum_k1_;
    adjoint_v_ = back31.adjoint_v_;
    adjoint_a_ = back31.adjoint_a_;
    at -= threads;
    let back30 = reverse(v_30, a_30, x_30, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back30.grad_x_;
    sum_k1_ += back30.sum_k1_;
    adjoint_v_ = back30.adjoint_v_;
    adjoint_a_ = back30.adjoint_a_;
    at -= threads;
    let back29 = reverse(v_29, a_29, x_29, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back29.grad_x_;
    sum_k1_ += back29.sum_k1_;
    adjoint_v_ = back29.adjoint_v_;
    adjoint_a_ = back29.adjoint_a_;
    at -= threads;
    let back28 = reverse(v_28, a_28, x_28, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back28.grad_x_;
    sum_k1_ += back28.sum_k1_;
    adjoint_v_ = back28.adjoint_v_;
    adjoint_a_ = back28.adjoint_a_;
    at -= threads;
    let back27 = reverse(v_27, a_27, x_27, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back27.grad_x_;
    sum_k1_ += back27.sum_k1_;
    adjoint_v_ = back27.adjoint_v_;
    adjoint_a_ = back27.adjoint_a_;
    at -= threads;
    let back26 = reverse(v_26, a_26, x_26, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back26.grad_x_;
    sum_k1_ += back26.sum_k1_;
    adjoint_v_ = back26.adjoint_v_;
    adjoint_a_ = back26.adjoint_a_;
    at -= threads;
    let back25 = reverse(v_25, a_25, x_25, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back25.grad_x_;
    sum_k1_ += back25.sum_k1_;
    adjoint_v_ = back25.adjoint_v_;
    adjoint_a_ = back25.adjoint_a_;
    at -= threads;
    let back24 = reverse(v_24, a_24, x_24, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back24.grad_x_;
    sum_k1_ += back24.sum_k1_;
    adjoint_v_ = back24.adjoint_v_;
    adjoint_a_ = back24.adjoint_a_;
    at -= threads;
    let back23 = reverse(v_23, a_23, x_23, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back23.grad_x_;
    sum_k1_ += back23.sum_k1_;
    adjoint_v_ = back23.adjoint_v_;
    adjoint_a_ = back23.adjoint_a_;
    at -= threads;
    let back22 = reverse(v_22, a_22, x_22, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back22.grad_x_;
    sum_k1_ += back22.sum_k1_;
    adjoint_v_ = back22.adjoint_v_;
    adjoint_a_ = back22.adjoint_a_;
    at -= threads;
    let back21 = reverse(v_21, a_21, x_21, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back21.grad_x_;
    sum_k1_ += back21.sum_k1_;
    adjoint_v_ = back21.adjoint_v_;
    adjoint_a_ = back21.adjoint_a_;
    at -= threads;
    let back20 = reverse(v_20, a_20, x_20, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back20.grad_x_;
    sum_k1_ += back20.sum_k1_;
    adjoint_v_ = back20.adjoint_v_;
    adjoint_a_ = back20.adjoint_a_;
    at -= threads;
    let back19 = reverse(v_19, a_19, x_19, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back19.grad_x_;
    sum_k1_ += back19.sum_k1_;
    adjoint_v_ = back19.adjoint_v_;
    adjoint_a_ = back19.adjoint_a_;
    at -= threads;
    let back18 = reverse(v_18, a_18, x_18, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back18.grad_x_;
    sum_k1_ += back18.sum_k1_;
    adjoint_v_ = back18.adjoint_v_;
    adjoint_a_ = back18.adjoint_a_;
    at -= threads;
    let back17 = reverse(v_17, a_17, x_17, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back17.grad_x_;
    sum_k1_ += back17.sum_k1_;
    adjoint_v_ = back17.adjoint_v_;
    adjoint_a_ = back17.adjoint_a_;
    at -= threads;
    let back16 = reverse(v_16, a_16, x_16, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back16.grad_x_;
    sum_k1_ += back16.sum_k1_;
    adjoint_v_ = back16.adjoint_v_;
    adjoint_a_ = back16.adjoint_a_;
    at -= threads;
    let back15 = reverse(v_15, a_15, x_15, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back15.grad_x_;
    sum_k1_ += back15.sum_k1_;
    adjoint_v_ = back15.adjoint_v_;
    adjoint_a_ = back15.adjoint_a_;
    at -= threads;
    let back14 = reverse(v_14, a_14, x_14, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back14.grad_x_;
    sum_k1_ += back14.sum_k1_;
    adjoint_v_ = back14.adjoint_v_;
    adjoint_a_ = back14.adjoint_a_;
    at -= threads;
    let back13 = reverse(v_13, a_13, x_13, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back13.grad_x_;
    sum_k1_ += back13.sum_k1_;
    adjoint_v_ = back13.adjoint_v_;
    adjoint_a_ = back13.adjoint_a_;
    at -= threads;
    let back12 = reverse(v_12, a_12, x_12, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back12.grad_x_;
    sum_k1_ += back12.sum_k1_;
    adjoint_v_ = back12.adjoint_v_;
    adjoint_a_ = back12.adjoint_a_;
    at -= threads;
    let back11 = reverse(v_11, a_11, x_11, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back11.grad_x_;
    sum_k1_ += back11.sum_k1_;
    adjoint_v_ = back11.adjoint_v_;
    adjoint_a_ = back11.adjoint_a_;
    at -= threads;
    let back10 = reverse(v_10, a_10, x_10, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back10.grad_x_;
    sum_k1_ += back10.sum_k1_;
    adjoint_v_ = back10.adjoint_v_;
    adjoint_a_ = back10.adjoint_a_;
    at -= threads;
    let back9 = reverse(v_9, a_9, x_9, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back9.grad_x_;
    sum_k1_ += back9.sum_k1_;
    adjoint_v_ = back9.adjoint_v_;
    adjoint_a_ = back9.adjoint_a_;
    at -= threads;
    let back8 = reverse(v_8, a_8, x_8, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back8.grad_x_;
    sum_k1_ += back8.sum_k1_;
    adjoint_v_ = back8.adjoint_v_;
    adjoint_a_ = back8.adjoint_a_;
    at -= threads;
    let back7 = reverse(v_7, a_7, x_7, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back7.grad_x_;
    sum_k1_ += back7.sum_k1_;
    adjoint_v_ = back7.adjoint_v_;
    adjoint_a_ = back7.adjoint_a_;
    at -= threads;
    let back6 = reverse(v_6, a_6, x_6, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back6.grad_x_;
    sum_k1_ += back6.sum_k1_;
    adjoint_v_ = back6.adjoint_v_;
    adjoint_a_ = back6.adjoint_a_;
    at -= threads;
    let back5 = reverse(v_5, a_5, x_5, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back5.grad_x_;
    sum_k1_ += back5.sum_k1_;
    adjoint_v_ = back5.adjoint_v_;
    adjoint_a_ = back5.adjoint_a_;
    at -= threads;
    let back4 = reverse(v_4, a_4, x_4, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back4.grad_x_;
    sum_k1_ += back4.sum_k1_;
    adjoint_v_ = back4.adjoint_v_;
    adjoint_a_ = back4.adjoint_a_;
    at -= threads;
    let back3 = reverse(v_3, a_3, x_3, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back3.grad_x_;
    sum_k1_ += back3.sum_k1_;
    adjoint_v_ = back3.adjoint_v_;
    adjoint_a_ = back3.adjoint_a_;
    at -= threads;
    let back2 = reverse(v_2, a_2, x_2, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back2.grad_x_;
    sum_k1_ += back2.sum_k1_;
    adjoint_v_ = back2.adjoint_v_;
    adjoint_a_ = back2.adjoint_a_;
    at -= threads;
    let back1 = reverse(v_1, a_1, x_1, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back1.grad_x_;
    sum_k1_ += back1.sum_k1_;
    adjoint_v_ = back1.adjoint_v_;
    adjoint_a_ = back1.adjoint_a_;
    at -= threads;
    let back0 = reverse(v_0, a_0, x_0, k0, k1, k2, d_spike_buffer[at], adjoint_v_, adjoint_a_);
    grad_x_buffer[at] = back0.grad_x_;
    sum_k1_ += back0.sum_k1_;
    adjoint_v_ = back0.adjoint_v_;
    adjoint_a_ = back0.adjoint_a_;
    sum1_k1_ += sum_k1_;
    sum_k1_ = 0.0f;
    if ((left - 1u) % 64u == 0u) {
      sum2_k1_ += sum1_k1_;
      sum1_k1_ = 0.0f;
      if ((left - 1u) % 4096u == 0u) {
        sum3_k1_ += sum2_k1_;
        sum2_k1_ = 0.0f;
      }
    }
  }
  grad_beta_buffer[thread] = sum3_k1_;
}
