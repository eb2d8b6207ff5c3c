/**
 * What kernels with a recurrent product have besides the prelude. A sample has `LANES` threads of V neurons each; threads that have no neuron go along with the
 * others to their barriers, on the first neuron of all, and write nothing.
 */
export const mixing: string = `template <int V> struct Neurons { long long at[V]; int channel[V]; bool live[V]; };

template <int V, int LANES> __device__ inline Neurons<V> neurons_of(long long size, int channels) {
  const long long first = (blockIdx.x * (long long)(blockDim.x / LANES) + threadIdx.x / LANES) * channels;
  Neurons<V> n;
  #pragma unroll
  for (int i = 0; i < V; ++i) {
    const int channel = threadIdx.x % LANES + i * LANES;
    n.live[i] = first < size && channel < channels;
    n.at[i] = n.live[i] ? first + channel : 0;
    n.channel[i] = n.live[i] ? channel : 0;
  }
  return n;
}

/** A thread's elements of a row. */
template <int V, typename T> __device__ inline Packed<T, V> load(const T* row, const Neurons<V>& n) {
  Packed<T, V> x;
  #pragma unroll
  for (int i = 0; i < V; ++i) {
    if constexpr (sizeof(T) == 2 && V > 1) {
      if (i % 2 == 0) x.words[i / 2] = row[n.at[i]].bits | (unsigned int)row[n.at[i + 1]].bits << 16;
    } else x.at[i] = row[n.at[i]];
  }
  return x;
}
template <int V, typename T> __device__ inline void store(T* row, const Neurons<V>& n, const Packed<T, V>& x) {
  #pragma unroll
  for (int i = 0; i < V; ++i) {
    if (!n.live[i]) continue;
    if constexpr (sizeof(T) == 2 && V > 1) row[n.at[i]].bits = (unsigned short)(x.words[i / 2] >> i % 2 * 16);
    else row[n.at[i]] = x.at[i];
  }
}

/** The neurons of a sample that fired, in their order: whose row of the weights each one is, and its spike. */
struct alignas(8) Fired { unsigned int row; float spike; };
template <int N> struct SpikeBoard { unsigned int bits[N / 32]; Fired fired[N]; };

/** product[i] = sum over j of spikes[j] * weights[j, i], in the order of j. */
template <int LANES, int V> __device__ inline void mix(SpikeBoard<LANES * V>& board, const float* __restrict__ weights, int channels, const Neurons<V>& n, const float (&spikes)[V], float (&product)[V]) {
  const int lane = threadIdx.x % LANES;
  #pragma unroll
  for (int i = 0; i < V; ++i) {
    const unsigned int bits = __ballot_sync(0xffffffffu, n.live[i] && spikes[i] != 0.0f);
    if (lane % 32 == 0) board.bits[(i * LANES + lane) / 32] = bits;
  }
  __syncthreads();
  int count = 0, before[V];
  #pragma unroll
  for (int i = 0; i < V; ++i) {
    const int own = (i * LANES + lane) / 32;
    for (int word = i * (LANES / 32); word < (i + 1) * (LANES / 32); ++word) {
      if (word == own) before[i] = count + __popc(board.bits[word] & ((1u << lane % 32) - 1));
      count += __popc(board.bits[word]);
    }
    if (board.bits[own] >> lane % 32 & 1u) board.fired[before[i]] = {(unsigned int)(n.channel[i] * channels), spikes[i]};
    product[i] = 0.0f;
  }
  __syncthreads();
  #pragma unroll 8
  for (int k = 0; k < count; ++k) {
    const Fired from = board.fired[k];
    #pragma unroll
    for (int i = 0; i < V; ++i) product[i] += from.spike * weights[from.row + n.channel[i]];
  }
}

/** adjoint[j] += the sum over i of slopes[i] * transposed[i, j], in the order of i. */
template <int LANES, int V> __device__ inline void mix_back(float (&board)[LANES * V], const float* __restrict__ transposed, int channels, const Neurons<V>& n, const float (&slopes)[V], float (&adjoint)[V]) {
  float sum[V] = {};
  #pragma unroll
  for (int i = 0; i < V; ++i) board[threadIdx.x % LANES + i * LANES] = slopes[i];
  __syncthreads();
  #pragma unroll 16
  for (int k = 0; k < channels; ++k) {
    const float slope = board[k];
    #pragma unroll
    for (int i = 0; i < V; ++i) sum[i] += slope * transposed[(unsigned int)(k * channels + n.channel[i])];
  }
  #pragma unroll
  for (int i = 0; i < V; ++i) adjoint[i] += sum[i];
  __syncthreads();
}
`;
