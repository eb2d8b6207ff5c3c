// adaptiveLif, all steps forward; 4 neurons a thread
extern "C" __global__ void __launch_bounds__(128, 1)
forward(const float* __restrict__ x_buffer, const float* __restrict__ decay_buffer, const float* __restrict__ rho_buffer, const float* __restrict__ beta_buffer, float* __restrict__ spike_buffer, float* __restrict__ _checkpoint_v_buffer, float* __restrict__ _checkpoint_a_buffer, const int steps, const long long size, const int channels) {
  const long long n = 4LL * (blockIdx.x * (long long)blockDim.x + threadIdx.x);
  if (n >= size) return;
  const float k0 = to_float(decay_buffer[0]);
  const float k2 = to_float(rho_buffer[0]);
  float k1[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    k1[i] = to_float(beta_buffer[(n + i) % channels]);
  }
  float v_[4];
  float a_[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    v_[i] = 0.0f;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    a_[i] = 0.0f;
  }
#pragma unroll 4
  for (int t = 0; t < steps; ++t) {
    if (t > 0 && t % 32 == 0) {
      { Packed<float, 4> all;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        all.at[i] = v_[i];
      }
      store<4>(_checkpoint_v_buffer + (long long)(t / 32 - 1) * size, n, all); }
      { Packed<float, 4> all;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        all.at[i] = a_[i];
      }
      store<4>(_checkpoint_a_buffer + (long long)(t / 32 - 1) * size, n, all); }
    }
    const Packed<float, 4> x_now = load<4>(x_buffer + (long long)t * size, n);
    float spike_now[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float v2 = v_[i] * k0;
      const float v4 = v2 + element(x_now, i);
      const float v7 = a_[i] * k1[i];
      const float v8 = v4 - v7;
      const bool v11 = v8 >= 1.0f;
      const float v12 = v11 ? 1.0f : 0.0f;
      const float v13 = v4 - v12;
      const float v15 = a_[i] * k2;
      const float v16 = v15 + v12;
      spike_now[i] = v12;
      const float v_next = v13;
      const float a_next = v16;
      v_[i] = v_next;
      a_[i] = a_next;
    }
    store<4>(spike_buffer + (long long)t * size, n, packed<float>(spike_now));
  }
}

// adaptiveLif, all steps backward; 1 neurons a thread; the trajectory is recomputed 32 steps at a time
extern "C" __global__ void __launch_bounds__(128, 4)
backward(const float* __restrict__ x_buffer, const float* __restrict__ decay_buffer, const float* __restrict__ rho_buffer, const float* __restrict__ beta_buffer, const float* __restrict__ _checkpoint_v_buffer, const float* __restrict__ _checkpoint_a_buffer, const float* __restrict__ _d_spike_buffer, float* __restrict__ _grad_x_buffer, float* __restrict__ _grad_beta_buffer, const int steps, const long long size, const int channels) {
  const long long n = 1LL * (blockIdx.x * (long long)blockDim.x + threadIdx.x);
  if (n >= size) return;
  const float k0 = to_float(decay_buffer[0]);
  const float k2 = to_float(rho_buffer[0]);
  float k1[1];
#pragma unroll
  for (int i = 0; i < 1; ++i) {
    k1[i] = to_float(beta_buffer[(n + i) % channels]);
  }
  float _adjoint_v[1] = {};
  float _adjoint_a[1] = {};
  float _sum_k1[1] = {};
  float _sum1_k1[1] = {};
  float _sum2_k1[1] = {};
  float _sum3_k1[1] = {};
  int t0 = (steps - 1) / 32 * 32;
  if (steps % 32 != 0) {
    float v_[1];
    float a_[1];
    if (t0 > 0) {
      const Packed<float, 1> v_saved = load<1>(_checkpoint_v_buffer + (long long)(t0 / 32 - 1) * size, n);
#pragma unroll
      for (int i = 0; i < 1; ++i) {
        v_[i] = v_saved.at[i];
      }
      const Packed<float, 1> a_saved = load<1>(_checkpoint_a_buffer + (long long)(t0 / 32 - 1) * size, n);
#pragma unroll
      for (int i = 0; i < 1; ++i) {
        a_[i] = a_saved.at[i];
      }
    } else {
#pragma unroll
      for (int i = 0; i < 1; ++i) {
        v_[i] = 0.0f;
      }
#pragma unroll
      for (int i = 0; i < 1; ++i) {
        a_[i] = 0.0f;
      }
    }
    Packed<float, 1> x_at[32];
    float _kept_0_at[32][1];
    float _kept_1_at[32][1];
#pragma unroll
    for (int k = 0; k < 32; ++k) {
      if (t0 + k < steps) {
        x_at[k] = load<1>(x_buffer + (long long)(t0 + k) * size, n);
      }
    }
#pragma unroll
    for (int k = 0; k < 32; ++k) {
      if (t0 + k < steps) {
#pragma unroll
        for (int i = 0; i < 1; ++i) {
          const float a2 = v_[i] * k0;
          const float a4 = a2 + element(x_at[k], i);
          const float a7 = a_[i] * k1[i];
          const float a8 = a4 - a7;
          const bool a11 = a8 >= 1.0f;
          const float a12 = a11 ? 1.0f : 0.0f;
          const float a13 = a4 - a12;
          const float a15 = a_[i] * k2;
          const float a16 = a15 + a12;
          const float a17 = a8 - 1.0f;
          const float a19 = a17 * 3.1415927f;
          const float a21 = loose_fma(a19, a19, 1.0f);
          const float a22 = loose_div(1.0f, a21);
          _kept_0_at[k][i] = a_[i];
          _kept_1_at[k][i] = a22;
          const float v_next = a13;
          const float a_next = a16;
          v_[i] = v_next;
          a_[i] = a_next;
        }
      }
    }
#pragma unroll
    for (int k = 31; k >= 0; --k) {
      if (t0 + k < steps) {
        const Packed<float, 1> _d_spike_now = load<1>(_d_spike_buffer + (long long)(t0 + k) * size, n);
        float _grad_x_now[1];
#pragma unroll
        for (int i = 0; i < 1; ++i) {
          const float r7 = element(_d_spike_now, i) + _adjoint_a[i];
          const float r8 = r7 - _adjoint_v[i];
          const float r10 = r8 * _kept_1_at[k][i];
          const float r11 = _adjoint_v[i] + r10;
          const float r12 = r11 * k0;
          const float r13 = _adjoint_a[i] * k2;
          const float r14 = -r10;
          const float r16 = loose_fma(r14, k1[i], r13);
          const float r17 = r14 * _kept_0_at[k][i];
          _grad_x_now[i] = r11;
          _sum_k1[i] += r17;
          const float v_next = r12;
          const float a_next = r16;
          _adjoint_v[i] = v_next;
          _adjoint_a[i] = a_next;
        }
        store<1>(_grad_x_buffer + (long long)(t0 + k) * size, n, packed<float>(_grad_x_now));
      }
    }
#pragma unroll
    for (int i = 0; i < 1; ++i) {
      _sum1_k1[i] += _sum_k1[i];
      _sum_k1[i] = 0.0f;
    }
    if (t0 / 32 % 64 == 0) {
#pragma unroll
      for (int i = 0; i < 1; ++i) {
        _sum2_k1[i] += _sum1_k1[i];
        _sum1_k1[i] = 0.0f;
      }
      if (t0 / 32 % 4096 == 0) {
#pragma unroll
        for (int i = 0; i < 1; ++i) {
          _sum3_k1[i] += _sum2_k1[i];
          _sum2_k1[i] = 0.0f;
        }
      }
    }
    t0 -= 32;
  }
  for (; t0 >= 0; t0 -= 32) {
    float v_[1];
    float a_[1];
    if (t0 > 0) {
      const Packed<float, 1> v_saved = load<1>(_checkpoint_v_buffer + (long long)(t0 / 32 - 1) * size, n);
#pragma unroll
      for (int i = 0; i < 1; ++i) {
        v_[i] = v_saved.at[i];
      }
      const Packed<float, 1> a_saved = load<1>(_checkpoint_a_buffer + (long long)(t0 / 32 - 1) * size, n);
#pragma unroll
      for (int i = 0; i < 1; ++i) {
        a_[i] = a_saved.at[i];
      }
    } else {
#pragma unroll
      for (int i = 0; i < 1; ++i) {
        v_[i] = 0.0f;
      }
#pragma unroll
      for (int i = 0; i < 1; ++i) {
        a_[i] = 0.0f;
      }
    }
    Packed<float, 1> x_at[32];
    float _kept_0_at[32][1];
    float _kept_1_at[32][1];
#pragma unroll
    for (int k = 0; k < 32; ++k) {
      x_at[k] = load<1>(x_buffer + (long long)(t0 + k) * size, n);
    }
#pragma unroll
    for (int k = 0; k < 32; ++k) {
#pragma unroll
      for (int i = 0; i < 1; ++i) {
        const float a2 = v_[i] * k0;
        const float a4 = a2 + element(x_at[k], i);
        const float a7 = a_[i] * k1[i];
        const float a8 = a4 - a7;
        const bool a11 = a8 >= 1.0f;
        const float a12 = a11 ? 1.0f : 0.0f;
        const float a13 = a4 - a12;
        const float a15 = a_[i] * k2;
        const float a16 = a15 + a12;
        const float a17 = a8 - 1.0f;
        const float a19 = a17 * 3.1415927f;
        const float a21 = loose_fma(a19, a19, 1.0f);
        const float a22 = loose_div(1.0f, a21);
        _kept_0_at[k][i] = a_[i];
        _kept_1_at[k][i] = a22;
        const float v_next = a13;
        const float a_next = a16;
        v_[i] = v_next;
        a_[i] = a_next;
      }
    }
#pragma unroll
    for (int k = 31; k >= 0; --k) {
      const Packed<float, 1> _d_spike_now = load<1>(_d_spike_buffer + (long long)(t0 + k) * size, n);
      float _grad_x_now[1];
#pragma unroll
      for (int i = 0; i < 1; ++i) {
        const float r7 = element(_d_spike_now, i) + _adjoint_a[i];
        const float r8 = r7 - _adjoint_v[i];
        const float r10 = r8 * _kept_1_at[k][i];
        const float r11 = _adjoint_v[i] + r10;
        const float r12 = r11 * k0;
        const float r13 = _adjoint_a[i] * k2;
        const float r14 = -r10;
        const float r16 = loose_fma(r14, k1[i], r13);
        const float r17 = r14 * _kept_0_at[k][i];
        _grad_x_now[i] = r11;
        _sum_k1[i] += r17;
        const float v_next = r12;
        const float a_next = r16;
        _adjoint_v[i] = v_next;
        _adjoint_a[i] = a_next;
      }
      store<1>(_grad_x_buffer + (long long)(t0 + k) * size, n, packed<float>(_grad_x_now));
    }
#pragma unroll
    for (int i = 0; i < 1; ++i) {
      _sum1_k1[i] += _sum_k1[i];
      _sum_k1[i] = 0.0f;
    }
    if (t0 / 32 % 64 == 0) {
#pragma unroll
      for (int i = 0; i < 1; ++i) {
        _sum2_k1[i] += _sum1_k1[i];
        _sum1_k1[i] = 0.0f;
      }
      if (t0 / 32 % 4096 == 0) {
#pragma unroll
        for (int i = 0; i < 1; ++i) {
          _sum3_k1[i] += _sum2_k1[i];
          _sum2_k1[i] = 0.0f;
        }
      }
    }
  }
  float _grad_beta_now[1];
#pragma unroll
  for (int i = 0; i < 1; ++i) {
    _grad_beta_now[i] = _sum3_k1[i];
  }
  store<1>(_grad_beta_buffer, n, packed<float>(_grad_beta_now));
}
