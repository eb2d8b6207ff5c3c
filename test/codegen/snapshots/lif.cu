// lif, all steps forward; 4 neurons a thread
extern "C" __global__ void __launch_bounds__(128, 1)
forward(const float* __restrict__ x_buffer, float* __restrict__ spike_buffer, const int steps, const long long size, const int channels) {
  const long long n = 4LL * (blockIdx.x * (long long)blockDim.x + threadIdx.x);
  if (n >= size) return;
  float v_[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    v_[i] = 0.0f;
  }
#pragma unroll 4
  for (int t = 0; t < steps; ++t) {
    const Packed<float, 4> x_now = load<4>(x_buffer + (long long)t * size, n);
    float spike_now[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float v3 = element(x_now, i) - v_[i];
      const float v5 = v3 * 0.5f;
      const float v6 = v_[i] + v5;
      const bool v8 = v6 >= 1.0f;
      const float v9 = v8 ? 1.0f : 0.0f;
      const float v10 = v8 ? 0.0f : v6;
      spike_now[i] = v9;
      const float v_next = v10;
      v_[i] = v_next;
    }
    store<4>(spike_buffer + (long long)t * size, n, packed<float>(spike_now));
  }
}

// lif, all steps backward; 1 neurons a thread; the trajectory is recomputed whole
extern "C" __global__ void __launch_bounds__(128, 6)
backward(const float* __restrict__ x_buffer, const float* __restrict__ _d_spike_buffer, float* __restrict__ _grad_x_buffer, const int steps, const long long size, const int channels) {
  const long long n = 1LL * (blockIdx.x * (long long)blockDim.x + threadIdx.x);
  if (n >= size) return;
  float _adjoint_v[1] = {};
  {
    const int t0 = 0;
    float v_[1];
#pragma unroll
    for (int i = 0; i < 1; ++i) {
      v_[i] = 0.0f;
    }
    Packed<float, 1> x_at[32];
    float _kept_0_at[32][1];
#pragma unroll
    for (int k = 0; k < 32; ++k) {
      x_at[k] = load<1>(x_buffer + (long long)(t0 + k) * size, n);
    }
#pragma unroll
    for (int k = 0; k < 32; ++k) {
#pragma unroll
      for (int i = 0; i < 1; ++i) {
        const float a3 = element(x_at[k], i) - v_[i];
        const float a5 = a3 * 0.5f;
        const float a6 = v_[i] + a5;
        const bool a8 = a6 >= 1.0f;
        const float a9 = a8 ? 0.0f : a6;
        _kept_0_at[k][i] = a6;
        const float v_next = a9;
        v_[i] = v_next;
      }
    }
#pragma unroll
    for (int k = 31; k >= 0; --k) {
      const Packed<float, 1> _d_spike_now = load<1>(_d_spike_buffer + (long long)(t0 + k) * size, n);
      float _grad_x_now[1];
#pragma unroll
      for (int i = 0; i < 1; ++i) {
        const bool r4 = _kept_0_at[k][i] >= 1.0f;
        const float r6 = _kept_0_at[k][i] - 1.0f;
        const float r7 = r4 ? 0.0f : _adjoint_v[i];
        const float r10 = loose_fma(-_adjoint_v[i], _kept_0_at[k][i], element(_d_spike_now, i));
        const float r12 = r6 * 3.1415927f;
        const float r14 = loose_fma(r12, r12, 1.0f);
        const float r15 = loose_div(1.0f, r14);
        const float r17 = loose_fma(r10, r15, r7);
        const float r18 = r17 * 0.5f;
        const float r19 = r17 - r18;
        _grad_x_now[i] = r18;
        const float v_next = r19;
        _adjoint_v[i] = v_next;
      }
      store<1>(_grad_x_buffer + (long long)(t0 + k) * size, n, packed<float>(_grad_x_now));
    }
  }
}
