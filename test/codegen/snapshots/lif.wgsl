// lif, all steps forward; 4 neurons a thread

struct Launch {
  steps: u32,
  size: u32,
  channels: u32,
  threads: u32,
  row: u32,
}

@group(0) @binding(0) var<storage, read> x_buffer: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> spike_buffer: array<vec4f>;
@group(0) @binding(2) var<uniform> launch: Launch;

struct Step {
  v_: vec4f,
  spike_: vec4f,
}

// One step: the next states and the outputs.
fn advance(v_: vec4f, x_: vec4f) -> Step {
  let a3 = x_ - v_;
  let a5 = a3 * 0.5f;
  let a6 = v_ + a5;
  let a8 = a6 >= vec4f(1.0f);
  let a9 = select(vec4f(0.0f), vec4f(1.0f), a8);
  let a10 = select(a6, vec4f(0.0f), a8);
  return Step(a10, a9);
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let thread = id.y * launch.row + id.x;
  let threads = launch.threads;
  if (thread >= threads) { return; }
  var v_ = vec4f(0.0f);
  var at = thread;
  for (var t = 0u; t < launch.steps; t++) {
    let now = advance(v_, x_buffer[at]);
    spike_buffer[at] = now.spike_;
    v_ = now.v_;
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
@group(0) @binding(1) var<storage, read> d_spike_buffer: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_x_buffer: array<f32>;
@group(0) @binding(3) var<uniform> launch: Launch;

struct Advanced {
  v_: f32,
}

// One step forward, for the states.
fn advance(v_: f32, x_: f32) -> Advanced {
  let a3 = x_ - v_;
  let a5 = a3 * 0.5f;
  let a6 = v_ + a5;
  let a8 = a6 >= 1.0f;
  let a9 = select(a6, 0.0f, a8);
  return Advanced(a9);
}

struct Reversed {
  adjoint_v_: f32,
  grad_x_: f32,
}

// One step backward: the adjoints of the states before it, the gradients of its inputs, terms of sums.
fn reverse(v_: f32, x_: f32, d_spike_: f32, adjoint_v_: f32) -> Reversed {
  let r4 = x_ - v_;
  let r6 = r4 * 0.5f;
  let r7 = v_ + r6;
  let r8 = r7 - 1.0f;
  let r10 = r7 >= 1.0f;
  let r11 = select(adjoint_v_, 0.0f, r10);
  let r13 = adjoint_v_ * r7;
  let r14 = d_spike_ - r13;
  let r16 = r8 * 3.1415927f;
  let r17 = r16 * r16;
  let r18 = r17 + 1.0f;
  let r19 = 1.0f / r18;
  let r20 = r14 * r19;
  let r21 = r11 + r20;
  let r22 = r21 * 0.5f;
  let r23 = r21 - r22;
  return Reversed(r23, r22);
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u) {
  let thread = id.y * launch.row + id.x;
  let threads = launch.threads;
  if (thread >= threads) { return; }
  var adjoint_v_ = 0.0f;
  let v_0 = 0.0f;
  var at = thread;
  let x_0 = x_buffer[at];
  let step0 = advance(v_0, x_0);
  let v_1 = step0.v_;
  at += threads;
  let x_1 = x_buffer[at];
  let step1 = advance(v_1, x_1);
  let v_2 = step1.v_;
  at += threads;
  let x_2 = x_buffer[at];
  let step2 = advance(v_2, x_2);
  let v_3 = step2.v_;
  at += threads;
  let x_3 = x_buffer[at];
  let step3 = advance(v_3, x_3);
  let v_4 = step3.v_;
  at += threads;
  let x_4 = x_buffer[at];
  let step4 = advance(v_4, x_4);
  let v_5 = step4.v_;
  at += threads;
  let x_5 = x_buffer[at];
  let step5 = advance(v_5, x_5);
  let v_6 = step5.v_;
  at += threads;
  let x_6 = x_buffer[at];
  let step6 = advance(v_6, x_6);
  let v_7 = step6.v_;
  at += threads;
  let x_7 = x_buffer[at];
  let step7 = advance(v_7, x_7);
  let v_8 = step7.v_;
  at += threads;
  let x_8 = x_buffer[at];
  let step8 = advance(v_8, x_8);
  let v_9 = step8.v_;
  at += threads;
  let x_9 = x_buffer[at];
  let step9 = advance(v_9, x_9);
  let v_10 = step9.v_;
  at += threads;
  let x_10 = x_buffer[at];
  let step10 = advance(v_10, x_10);
  let v_11 = step10.v_;
  at += threads;
  let x_11 = x_buffer[at];
  let step11 = advance(v_11, x_11);
  let v_12 = step11.v_;
  at += threads;
  let x_12 = x_buffer[at];
  let step12 = advance(v_12, x_12);
  let v_13 = step12.v_;
  at += threads;
  let x_13 = x_buffer[at];
  let step13 = advance(v_13, x_13);
  let v_14 = step13.v_;
  at += threads;
  let x_14 = x_buffer[at];
  let step14 = advance(v_14, x_14);
  let v_15 = step14.v_;
  at += threads;
  let x_15 = x_buffer[at];
  let step15 = advance(v_15, x_15);
  let v_16 = step15.v_;
  at += threads;
  let x_16 = x_buffer[at];
  let step16 = advance(v_16, x_16);
  let v_17 = step16.v_;
  at += threads;
  let x_17 = x_buffer[at];
  let step17 = advance(v_17, x_17);
  let v_18 = step17.v_;
  at += threads;
  let x_18 = x_buffer[at];
  let step18 = advance(v_18, x_18);
  let v_19 = step18.v_;
  at += threads;
  let x_19 = x_buffer[at];
  let step19 = advance(v_19, x_19);
  let v_20 = step19.v_;
  at += threads;
  let x_20 = x_buffer[at];
  let step20 = advance(v_20, x_20);
  let v_21 = step20.v_;
  at += threads;
  let x_21 = x_buffer[at];
  let step21 = advance(v_21, x_21);
  let v_22 = step21.v_;
  at += threads;
  let x_22 = x_buffer[at];
  let step22 = advance(v_22, x_22);
  let v_23 = step22.v_;
  at += threads;
  let x_23 = x_buffer[at];
  let step23 = advance(v_23, x_23);
  let v_24 = step23.v_;
  at += threads;
  let x_24 = x_buffer[at];
  let step24 = advance(v_24, x_24);
  let v_25 = step24.v_;
  at += threads;
  let x_25 = x_buffer[at];
  let step25 = advance(v_25, x_25);
  let v_26 = step25.v_;
  at += threads;
  let x_26 = x_buffer[at];
  let step26 = advance(v_26, x_26);
  let v_27 = step26.v_;
  at += threads;
  let x_27 = x_buffer[at];
  let step27 = advance(v_27, x_27);
  let v_28 = step27.v_;
  at += threads;
  let x_28 = x_buffer[at];
  let step28 = advance(v_28, x_28);
  let v_29 = step28.v_;
  at += threads;
  let x_29 = x_buffer[at];
  let step29 = advance(v_29, x_29);
  let v_30 = step29.v_;
  at += threads;
  let x_30 = x_buffer[at];
  let step30 = advance(v_30, x_30);
  let v_31 = step30.v_;
  at += threads;
  let x_31 = x_buffer[at];
  let back31 = reverse(v_31, x_31, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back31.grad_x_;
  adjoint_v_ = back31.adjoint_v_;
  at -= threads;
  let back30 = reverse(v_30, x_30, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back30.grad_x_;
  adjoint_v_ = back30.adjoint_v_;
  at -= threads;
  let back29 = reverse(v_29, x_29, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back29.grad_x_;
  adjoint_v_ = back29.adjoint_v_;
  at -= threads;
  let back28 = reverse(v_28, x_28, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back28.grad_x_;
  adjoint_v_ = back28.adjoint_v_;
  at -= threads;
  let back27 = reverse(v_27, x_27, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back27.grad_x_;
  adjoint_v_ = back27.adjoint_v_;
  at -= threads;
  let back26 = reverse(v_26, x_26, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back26.grad_x_;
  adjoint_v_ = back26.adjoint_v_;
  at -= threads;
  let back25 = reverse(v_25, x_25, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back25.grad_x_;
  adjoint_v_ = back25.adjoint_v_;
  at -= threads;
  let back24 = reverse(v_24, x_24, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back24.grad_x_;
  adjoint_v_ = back24.adjoint_v_;
  at -= threads;
  let back23 = reverse(v_23, x_23, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back23.grad_x_;
  adjoint_v_ = back23.adjoint_v_;
  at -= threads;
  let back22 = reverse(v_22, x_22, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back22.grad_x_;
  adjoint_v_ = back22.adjoint_v_;
  at -= threads;
  let back21 = reverse(v_21, x_21, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back21.grad_x_;
  adjoint_v_ = back21.adjoint_v_;
  at -= threads;
  let back20 = reverse(v_20, x_20, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back20.grad_x_;
  adjoint_v_ = back20.adjoint_v_;
  at -= threads;
  let back19 = reverse(v_19, x_19, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back19.grad_x_;
  adjoint_v_ = back19.adjoint_v_;
  at -= threads;
  let back18 = reverse(v_18, x_18, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back18.grad_x_;
  adjoint_v_ = back18.adjoint_v_;
  at -= threads;
  let back17 = reverse(v_17, x_17, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back17.grad_x_;
  adjoint_v_ = back17.adjoint_v_;
  at -= threads;
  let back16 = reverse(v_16, x_16, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back16.grad_x_;
  adjoint_v_ = back16.adjoint_v_;
  at -= threads;
  let back15 = reverse(v_15, x_15, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back15.grad_x_;
  adjoint_v_ = back15.adjoint_v_;
  at -= threads;
  let back14 = reverse(v_14, x_14, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back14.grad_x_;
  adjoint_v_ = back14.adjoint_v_;
  at -= threads;
  let back13 = reverse(v_13, x_13, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back13.grad_x_;
  adjoint_v_ = back13.adjoint_v_;
  at -= threads;
  let back12 = reverse(v_12, x_12, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back12.grad_x_;
  adjoint_v_ = back12.adjoint_v_;
  at -= threads;
  let back11 = reverse(v_11, x_11, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back11.grad_x_;
  adjoint_v_ = back11.adjoint_v_;
  at -= threads;
  let back10 = reverse(v_10, x_10, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back10.grad_x_;
  adjoint_v_ = back10.adjoint_v_;
  at -= threads;
  let back9 = reverse(v_9, x_9, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back9.grad_x_;
  adjoint_v_ = back9.adjoint_v_;
  at -= threads;
  let back8 = reverse(v_8, x_8, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back8.grad_x_;
  adjoint_v_ = back8.adjoint_v_;
  at -= threads;
  let back7 = reverse(v_7, x_7, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back7.grad_x_;
  adjoint_v_ = back7.adjoint_v_;
  at -= threads;
  let back6 = reverse(v_6, x_6, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back6.grad_x_;
  adjoint_v_ = back6.adjoint_v_;
  at -= threads;
  let back5 = reverse(v_5, x_5, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back5.grad_x_;
  adjoint_v_ = back5.adjoint_v_;
  at -= threads;
  let back4 = reverse(v_4, x_4, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back4.grad_x_;
  adjoint_v_ = back4.adjoint_v_;
  at -= threads;
  let back3 = reverse(v_3, x_3, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back3.grad_x_;
  adjoint_v_ = back3.adjoint_v_;
  at -= threads;
  let back2 = reverse(v_2, x_2, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back2.grad_x_;
  adjoint_v_ = back2.adjoint_v_;
  at -= threads;
  let back1 = reverse(v_1, x_1, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back1.grad_x_;
  adjoint_v_ = back1.adjoint_v_;
  at -= threads;
  let back0 = reverse(v_0, x_0, d_spike_buffer[at], adjoint_v_);
  grad_x_buffer[at] = back0.grad_x_;
  adjoint_v_ = back0.adjoint_v_;
}
