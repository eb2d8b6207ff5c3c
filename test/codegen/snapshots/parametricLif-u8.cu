// parametricLif, all steps forward; 4 neurons a thread
extern "C" __global__ void __launch_bounds__(128, 1)
forward(const float* __restrict__ x_buffer, const float* __restrict__ w_buffer, unsigned char* __restrict__ spike_buffer, const int steps, const long long size, const int channels) {
  const long long n = 4LL * (blockIdx.x * (long long)blockDim.x + threadIdx.x);
  if (n >= size) return;
  const float l1 = sigmoid(to_float(w_buffer[0]));
  const float k0 = l1;
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
      const float v5 = v3 * k0;
      const float v6 = v_[i] + v5;
      const bool v8 = v6 >= 1.0f;
      const float v9 = v8 ? 1.0f : 0.0f;
      const float v10 = v8 ? 0.0f : v6;
      spike_now[i] = v9;
      const float v_next = v10;
      v_[i] = v_next;
    }
    store<4>(spike_buffer + (long long)t * size, n, packed<unsigned char>(spike_now));
  }
}

// parametricLif, all steps backward; 2 neurons a thread; the trajectory is recomputed whole
extern "C" __global__ void __launch_bounds__(128, 6)
backward(const float* __restrict__ x_buffer, const float* __restrict__ w_buffer, const float* __restrict__ _d_spike_buffer, float* __restrict__ _grad_x_buffer, float* __restrict__ _grad_w_buffer, const int steps, const long long size, const int channels) {
  const long long n = 2LL * (blockIdx.x * (long long)blockDim.x + threadIdx.x);
  if (n >= size) return;
  const float l1 = sigmoid(to_float(w_buffer[0]));
  const float l3 = 1.0f - l1;
  const float k0 = l1;
  const float k1 = l3;
  float _adjoint_v[2] = {};
  float _sum_k0[2] = {};
  {
    const int t0 = 0;
    float v_[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      v_[i] = 0.0f;
    }
    Packed<float, 2> x_at[8];
    float _kept_0_at[8][2];
    float _kept_1_at[8][2];
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      x_at[k] = load<2>(x_buffer + (long long)(t0 + k) * size, n);
    }
#pragma unroll
    for (int k = 0; k < 8; ++k) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const float a3 = element(x_at[k], i) - v_[i];
        const float a5 = a3 * k0;
        const float a6 = v_[i] + a5;
        const bool a8 = a6 >= 1.0f;
        const float a9 = a8 ? 0.0f : a6;
        _kept_0_at[k][i] = a3;
        _kept_1_at[k][i] = a6;
        const float v_next = a9;
        v_[i] = v_next;
      }
    }
#pragma unroll
    for (int k = 7; k >= 0; --k) {
      const Packed<float, 2> _d_spike_now = load<2>(_d_spike_buffer + (long long)(t0 + k) * size, n);
      float _grad_x_now[2];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const bool r5 = _kept_1_at[k][i] >= 1.0f;
        const float r7 = _kept_1_at[k][i] - 1.0f;
        const float r8 = r5 ? 0.0f : _adjoint_v[i];
        const float r11 = loose_fma(-_adjoint_v[i], _kept_1_at[k][i], element(_d_spike_now, i));
        const float r13 = r7 * 4.0f;
        const float r14 = loose_sigmoid(r13);
        const float r15 = 1.0f - r14;
        const float r16 = r15 * r14;
        const float r17 = r16 * 4.0f;
        const float r19 = loose_fma(r11, r17, r8);
        const float r20 = r19 * k0;
        const float r21 = r19 - r20;
        const float r22 = r19 * _kept_0_at[k][i];
        _grad_x_now[i] = r20;
        _sum_k0[i] += r22;
        const float v_next = r21;
        _adjoint_v[i] = v_next;
      }
      store<2>(_grad_x_buffer + (long long)(t0 + k) * size, n, packed<float>(_grad_x_now));
    }
  }
  float _grad_w_now[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const float e2 = _sum_k0[i] * k0;
    const float e4 = e2 * k1;
    _grad_w_now[i] = e4;
  }
  store<2>(_grad_w_buffer, n, packed<float>(_grad_w_now));
}
