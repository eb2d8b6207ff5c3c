// lif, all steps forward; 1 neurons a thread
extern "C" __global__ void __launch_bounds__(64, 1)
forward(const float* __restrict__ x_buffer, const float* __restrict__ bias_buffer, const float* __restrict__ _mix_weights_buffer, float* __restrict__ spike_buffer, float* __restrict__ mixed_buffer, const int steps, const long long size, const int channels) {
  const Neurons<1> n = neurons_of<1, 64>(size, channels);
  const float k0 = to_float(bias_buffer[0]);
  float v_[1];
  float previous_[1];
#pragma unroll
  for (int i = 0; i < 1; ++i) {
    v_[i] = 0.0f;
  }
#pragma unroll
  for (int i = 0; i < 1; ++i) {
    previous_[i] = 0.0f;
  }
  __shared__ SpikeBoard<64> boards[1];
#pragma unroll 1
  for (int t = 0; t < steps; ++t) {
    const Packed<float, 1> x_now = load<1>(x_buffer + (long long)t * size, n);
    float product[1];
    mix<64>(boards[threadIdx.x / 64], _mix_weights_buffer, channels, n, previous_, product);
    float spike_now[1];
    float mixed_now[1];
#pragma unroll
    for (int i = 0; i < 1; ++i) {
      const float v5 = product[i] + k0;
      const float v6 = element(x_now, i) + v5;
      const float v7 = v6 - v_[i];
      const float v9 = v7 * 0.5f;
      const float v10 = v_[i] + v9;
      const bool v12 = v10 >= 1.0f;
      const float v13 = v12 ? 1.0f : 0.0f;
      const float v14 = v12 ? 0.0f : v10;
      spike_now[i] = v13;
      mixed_now[i] = product[i];
      const float v_next = v14;
      const float previous_next = v13;
      v_[i] = v_next;
      previous_[i] = previous_next;
    }
    store<1>(spike_buffer + (long long)t * size, n, packed<float>(spike_now));
    store<1>(mixed_buffer + (long long)t * size, n, packed<float>(mixed_now));
  }
}

// lif, all steps backward; 1 neurons a thread; the trajectory is recomputed whole
extern "C" __global__ void __launch_bounds__(64, 1)
backward(const float* __restrict__ x_buffer, const float* __restrict__ bias_buffer, const float* __restrict__ _mix_weights_buffer, const float* __restrict__ mixed_buffer, const float* __restrict__ _d_spike_buffer, float* __restrict__ _grad_x_buffer, float* __restrict__ _grad_mixed_buffer, const int steps, const long long size, const int channels) {
  const Neurons<1> n = neurons_of<1, 64>(size, channels);
  const float k0 = to_float(bias_buffer[0]);
  __shared__ float boards[1][64];
  float _adjoint_v[1] = {};
  float _adjoint_previous[1] = {};
  {
    const int t0 = 0;
    float v_[1];
#pragma unroll
    for (int i = 0; i < 1; ++i) {
      v_[i] = 0.0f;
    }
    Packed<float, 1> x_at[8];
    Packed<float, 1> mixed_at[8];
    float _kept_0_at[8][1];
#pragma unroll 1
    for (int k = 0; k < 8; ++k) {
      if (t0 + k < steps) {
        x_at[k] = load<1>(x_buffer + (long long)(t0 + k) * size, n);
        mixed_at[k] = load<1>(mixed_buffer + (long long)(t0 + k) * size, n);
      }
    }
#pragma unroll 1
    for (int k = 0; k < 8; ++k) {
      if (t0 + k < steps) {
#pragma unroll
        for (int i = 0; i < 1; ++i) {
          const float a5 = element(mixed_at[k], i) + k0;
          const float a6 = element(x_at[k], i) + a5;
          const float a7 = a6 - v_[i];
          const float a9 = a7 * 0.5f;
          const float a10 = v_[i] + a9;
          const bool a12 = a10 >= 1.0f;
          const float a13 = a12 ? 0.0f : a10;
          _kept_0_at[k][i] = a10;
          const float v_next = a13;
          v_[i] = v_next;
        }
      }
    }
#pragma unroll 1
    for (int k = 7; k >= 0; --k) {
      if (t0 + k < steps) {
        const Packed<float, 1> _d_spike_now = load<1>(_d_spike_buffer + (long long)(t0 + k) * size, n);
        float _grad_x_now[1];
        float _grad_mixed_now[1];
#pragma unroll
        for (int i = 0; i < 1; ++i) {
          const bool r4 = _kept_0_at[k][i] >= 1.0f;
          const float r6 = _kept_0_at[k][i] - 1.0f;
          const float r7 = r4 ? 0.0f : _adjoint_v[i];
          const float r10 = element(_d_spike_now, i) + _adjoint_previous[i];
          const float r12 = loose_fma(-_adjoint_v[i], _kept_0_at[k][i], r10);
          const float r14 = r6 * 3.1415927f;
          const float r16 = loose_fma(r14, r14, 1.0f);
          const float r17 = loose_div(1.0f, r16);
          const float r19 = loose_fma(r12, r17, r7);
          const float r20 = r19 * 0.5f;
          const float r21 = r19 - r20;
          _grad_x_now[i] = r20;
          _grad_mixed_now[i] = r20;
          const float v_next = r21;
          const float previous_next = 0.0f;
          _adjoint_v[i] = v_next;
          _adjoint_previous[i] = previous_next;
        }
        store<1>(_grad_x_buffer + (long long)(t0 + k) * size, n, packed<float>(_grad_x_now));
        store<1>(_grad_mixed_buffer + (long long)(t0 + k) * size, n, packed<float>(_grad_mixed_now));
        mix_back<64>(boards[threadIdx.x / 64], _mix_weights_buffer, channels, n, _grad_mixed_now, _adjoint_previous);
      }
    }
  }
}
