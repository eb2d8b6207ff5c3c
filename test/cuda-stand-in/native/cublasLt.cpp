// cuBLASLt: D = alpha op(A) op(B) + beta C, for the types, epilogues and attributes that a training step needs.
#include <algorithm>
#include <cstring>

#include "cublasLt.h"
#include "numbers.h"

namespace {

struct LtHandle { int device; };
Table<LtHandle> handles;

/** Also what a heuristic's result begins with: 64 bytes, without pointers, to be copied at will. */
struct Algorithm {
  std::uint64_t magic, problem, workspace;
  std::uint32_t alignment, biasAlignment;
  /** Whether both halves of a sum are rounded to the type of D before they are added. */
  std::uint64_t roundsPieces, reserved[3];
};
static_assert(sizeof(Algorithm) == 64, "cublasLtMatmulAlgo_t");
constexpr std::uint64_t algorithmMagic = 0x6d6c612d6e692d73;

struct HeuristicResult {
  Algorithm algorithm;
  std::size_t workspace;
  int state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(HeuristicResult) == 96, "cublasLtMatmulHeuristicResult_t");

struct Matrix {
  Element element;
  std::uint64_t rows, cols, ld;
  std::size_t bytes() const { return ((cols - 1) * ld + rows) * bytesOf(element); }
  /** As floats, columns one after another. */
  std::vector<float> read(std::uintptr_t base, bool asTf32) const {
    std::vector<float> values(rows * cols);
    for (std::size_t j = 0; j < cols; ++j) for (std::size_t i = 0; i < rows; ++i) {
      const float value = load(element, base, j * ld + i);
      values[j * rows + i] = asTf32 ? tf32(value) : value;
    }
    return values;
  }
};

/** A product that the library can do: what descriptor and layouts say, checked. */
struct Problem {
  Matrix a, b, c, d;
  bool transA, transB, fast;
  std::uint64_t m, n, k;
  std::uint32_t epilogue;
  std::uintptr_t bias;
  std::uint64_t biasLength() const { return epilogue == EPILOGUE_DEFAULT ? 0 : epilogue == EPILOGUE_BGRADB ? n : m; }
  std::uint64_t hash() const {
    std::uint64_t hash = 1469598103934665603u;
    for (const std::uint64_t value : {m, n, k, a.ld, b.ld, c.ld, d.ld, std::uint64_t{transA}, std::uint64_t{transB}, std::uint64_t{fast}, std::uint64_t{epilogue},
           static_cast<std::uint64_t>(a.element), static_cast<std::uint64_t>(d.element)}) hash = (hash ^ value) * 1099511628211u;
    return hash;
  }
};

cublasStatus_t readLayout(Handle handle, const std::string& name, Matrix& matrix) {
  const auto found = descriptorOf(handle, Kind::layout);
  if (!found) return invalid(name + "'s layout is no layout, or is destroyed");
  const LtDescriptor& layout = *found;
  const std::uint64_t type = layout[LAYOUT_TYPE];
  if (type != R_32F && type != R_16BF) return unsupported(name + "'s type " + std::to_string(type) + " is not one of CUDA_R_32F, CUDA_R_16BF");
  if (layout[LAYOUT_ORDER] != 0 || layout[LAYOUT_BATCH_COUNT] != 1 || layout[LAYOUT_PLANE_OFFSET] != 0 || layout[LAYOUT_BATCH_MODE] != 0) {
    return unsupported(name + " is not in column order, or a batch (the stand-in has neither)");
  }
  matrix = {type == R_32F ? Element::f32 : Element::bf16, layout[LAYOUT_ROWS], layout[LAYOUT_COLS], layout[LAYOUT_LD]};
  if (matrix.rows == 0 || matrix.cols == 0) return invalid(name + " has no elements");
  if (static_cast<std::int64_t>(matrix.ld) < static_cast<std::int64_t>(matrix.rows)) {
    return invalid(name + "'s leading dimension " + std::to_string(static_cast<std::int64_t>(matrix.ld)) + " is less than its " + std::to_string(matrix.rows) + " rows");
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t readProblem(Handle operation, Handle a, Handle b, Handle c, Handle d, Problem& problem) {
  const auto found = descriptorOf(operation, Kind::matmul);
  if (!found) return invalid("the operation's descriptor is none, or is destroyed");
  const LtDescriptor& desc = *found;
  const struct { Handle handle; const char* name; Matrix& matrix; } layouts[] = {{a, "A", problem.a}, {b, "B", problem.b}, {c, "C", problem.c}, {d, "D", problem.d}};
  for (const auto& layout : layouts) if (const cublasStatus_t status = readLayout(layout.handle, layout.name, layout.matrix)) return status;

  if (desc[DESC_TRANSA] > 1 || desc[DESC_TRANSB] > 1 || desc[DESC_TRANSC] != 0) return unsupported("A and B can be as they are or transposed, C as it is");
  problem.transA = desc[DESC_TRANSA] == 1, problem.transB = desc[DESC_TRANSB] == 1;
  problem.m = problem.transA ? problem.a.cols : problem.a.rows, problem.k = problem.transA ? problem.a.rows : problem.a.cols;
  problem.n = problem.transB ? problem.b.rows : problem.b.cols;
  const auto shape = [](std::uint64_t rows, std::uint64_t cols) { return std::to_string(rows) + " × " + std::to_string(cols); };
  if ((problem.transB ? problem.b.cols : problem.b.rows) != problem.k || problem.c.rows != problem.m || problem.c.cols != problem.n ||
      problem.d.rows != problem.m || problem.d.cols != problem.n) {
    return invalid("op(A) is " + shape(problem.m, problem.k) + ", op(B) has " + std::to_string(problem.transB ? problem.b.cols : problem.b.rows) + " rows and " + std::to_string(problem.n) +
                   " columns, C is " + shape(problem.c.rows, problem.c.cols) + ", D is " + shape(problem.d.rows, problem.d.cols));
  }

  problem.fast = desc[DESC_COMPUTE_TYPE] == COMPUTE_32F_FAST_TF32;
  if ((desc[DESC_COMPUTE_TYPE] != COMPUTE_32F && !problem.fast) || desc[DESC_SCALE_TYPE] != R_32F) return unsupported("the compute type is not one of CUBLAS_COMPUTE_32F, _32F_FAST_TF32 with scales of CUDA_R_32F");
  if (problem.a.element != problem.b.element || problem.c.element != problem.d.element || (problem.a.element == Element::f32 && problem.d.element == Element::bf16)) {
    return unsupported("A and B must have one type, C and D one type, and D of float32 inputs is float32");
  }
  if (problem.a.element == Element::bf16 && capability() < 80) return unsupported("the device has no arithmetic of bfloat16");
  if (problem.fast && problem.a.element != Element::f32) return unsupported("CUBLAS_COMPUTE_32F_FAST_TF32 is for float32 matrices");
  if (desc[DESC_POINTER_MODE] != 0 || desc[DESC_FILL_MODE] != fullFill) return unsupported("alpha and beta are values of the host and matrices are full in the stand-in");

  problem.epilogue = static_cast<std::uint32_t>(desc[DESC_EPILOGUE]);
  problem.bias = desc[DESC_BIAS_POINTER];
  if (problem.epilogue != EPILOGUE_DEFAULT && problem.epilogue != EPILOGUE_BIAS && problem.epilogue != EPILOGUE_BGRADA && problem.epilogue != EPILOGUE_BGRADB) {
    return unsupported("epilogue " + std::to_string(problem.epilogue) + " is not in the stand-in");
  }
  const std::uint64_t biasType = desc[DESC_BIAS_DATA_TYPE];
  if (problem.epilogue != EPILOGUE_DEFAULT && biasType != noBiasType && biasType != (problem.d.element == Element::f32 ? R_32F : R_16BF)) {
    return unsupported("the bias must have D's type");
  }
  return CUBLAS_STATUS_SUCCESS;
}

bool inSixteens(const Matrix& matrix) { return matrix.ld * bytesOf(matrix.element) % 16 == 0; }

/** What runs where pointers are multiples of `given`: 16-byte accesses need columns that are, too. */
Algorithm algorithmFor(const Problem& problem, std::uint64_t given, std::uint64_t workspace) {
  const bool wide = given % 16 == 0 && inSixteens(problem.a) && inSixteens(problem.b) && inSixteens(problem.c) && inSixteens(problem.d);
  return {algorithmMagic, problem.hash(), workspace, wide ? 16u : 0u, wide && problem.bias % 16 == 0 ? 16u : 0u, 0, {}};
}

/** op(A) op(B) over all k; where pieces are rounded, the sum of its two halves as D's type holds them. */
std::vector<double> sumsOf(const Problem& problem, View opA, View opB, bool roundsPieces) {
  if (!roundsPieces || problem.k < 2) return product(problem.m, problem.n, problem.k, opA, opB);
  const std::size_t half = problem.k / 2;
  std::vector<double> sums = product(problem.m, problem.n, half, opA, opB);
  const std::vector<double> rest = product(problem.m, problem.n, problem.k - half, {opA.data + half * opA.column, opA.row, opA.column}, {opB.data + half * opB.row, opB.row, opB.column});
  const auto held = [&](double value) { return problem.d.element == Element::bf16 ? rounded(static_cast<float>(value), 16) : static_cast<float>(value); };
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = static_cast<double>(held(sums[i])) + held(rest[i]);
  return sums;
}

void multiply(const Problem& problem, bool roundsPieces, float alpha, std::uintptr_t a, std::uintptr_t b, float beta, std::uintptr_t c, std::uintptr_t d) {
  const bool asTf32 = problem.fast && capability() >= 80;
  const std::vector<float> left = problem.a.read(a, asTf32), right = problem.b.read(b, asTf32);
  const View opA = problem.transA ? View{left.data(), problem.a.rows, 1} : View{left.data(), 1, problem.a.rows};
  const View opB = problem.transB ? View{right.data(), problem.b.rows, 1} : View{right.data(), 1, problem.b.rows};
  const std::vector<double> sums = sumsOf(problem, opA, opB, roundsPieces);
  for (std::size_t j = 0; j < problem.n; ++j) for (std::size_t i = 0; i < problem.m; ++i) {
    double value = alpha * sums[i * problem.n + j];
    if (beta != 0) value += static_cast<double>(beta) * load(problem.c.element, c, j * problem.c.ld + i);
    if (problem.epilogue == EPILOGUE_BIAS) value += load(problem.d.element, problem.bias, i);
    store(problem.d.element, d, j * problem.d.ld + i, static_cast<float>(value));
  }
  if (problem.epilogue != EPILOGUE_BGRADA && problem.epilogue != EPILOGUE_BGRADB) return;
  const bool ofA = problem.epilogue == EPILOGUE_BGRADA;
  for (std::size_t i = 0; i < problem.biasLength(); ++i) {
    double sum = 0;
    for (std::size_t p = 0; p < problem.k; ++p) sum += ofA ? opA.data[i * opA.row + p * opA.column] : opB.data[p * opB.row + i * opB.column];
    store(problem.d.element, problem.bias, i, static_cast<float>(sum));
  }
}

/** The context of a call; each device needs a handle of its own. */
cublasStatus_t contextOf(Handle handle, Context*& context) {
  const auto library = find(handles, handle);
  if (!library) return refuse(CUBLAS_STATUS_NOT_INITIALIZED, "cuBLASLt: the handle is none, or is destroyed");
  const CUresult error = current(context);
  if (error == CUDA_ERROR_INVALID_CONTEXT || error == CUDA_ERROR_NOT_INITIALIZED) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (error) return CUBLAS_STATUS_EXECUTION_FAILED;
  return library->device == context->device ? CUBLAS_STATUS_SUCCESS : invalid("the handle was made for device " + std::to_string(library->device) + ", the context is of device " + std::to_string(context->device));
}

}  // namespace

API std::size_t cublasLtGetVersion() { return static_cast<std::size_t>(setting("STAND_IN_CUBLASLT_VERSION", 130101)); }

API const char* cublasLtGetStatusName(int status) {
  switch (status) {
#define X(name, code, text) case code: return #name;
    CUBLAS_STATUSES(X)
#undef X
  }
  return "unrecognized status";
}

API const char* cublasLtGetStatusString(int status) {
  switch (status) {
#define X(name, code, text) case code: return text;
    CUBLAS_STATUSES(X)
#undef X
  }
  return "unrecognized status";
}

API cublasStatus_t cublasLtCreate(Handle* handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  Context* context = nullptr;
  if (!handle) return CUBLAS_STATUS_INVALID_VALUE;
  if (current(context)) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = keep(handles, std::make_shared<LtHandle>(LtHandle{context->device}));
  return CUBLAS_STATUS_SUCCESS;
}

API cublasStatus_t cublasLtDestroy(Handle handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  return handles.erase(handle) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

/** First one that needs workspace, for partial sums, which it rounds if it may, if it may have so much; then one that needs none. */
API cublasStatus_t cublasLtMatmulAlgoGetHeuristic(Handle handle, Handle operation, Handle a, Handle b, Handle c, Handle d, Handle preference, int asked, HeuristicResult* results, int* count) {
  std::lock_guard<std::mutex> lock(state().mutex);
  Context* context = nullptr;
  if (const cublasStatus_t status = contextOf(handle, context)) return status;
  const auto wishes = descriptorOf(preference, Kind::preference);
  if (!wishes) return invalid("the preference is none, or is destroyed");
  if (asked < 1 || !results || !count) return invalid("there is no place for a heuristic's results");
  *count = 0;
  Problem problem;
  if (const cublasStatus_t status = readProblem(operation, a, b, c, d, problem)) return status;
  std::uint64_t alignment = 16;
  for (int matrix = 0; matrix < 4; ++matrix) {
    const std::uint64_t given = (*wishes)[PREF_MIN_ALIGNMENT_A + matrix];
    if (given == 0 || given & (given - 1)) return invalid("an alignment must be a power of two");
    alignment = std::min(alignment, given);
  }
  const std::uint64_t partial = (8 * problem.m * problem.n + 255) & ~std::uint64_t{255};
  for (const std::uint64_t workspace : {partial, std::uint64_t{0}}) {
    if (workspace > (*wishes)[PREF_MAX_WORKSPACE_BYTES] || *count >= asked) continue;
    Algorithm algorithm = algorithmFor(problem, alignment, workspace);
    algorithm.roundsPieces = workspace > 0 && (*wishes)[PREF_REDUCTION_SCHEME_MASK] & (REDUCTION_INPLACE | REDUCTION_OUTPUT_TYPE) ? 1 : 0;
    results[(*count)++] = {algorithm, static_cast<std::size_t>(workspace), CUBLAS_STATUS_SUCCESS, 1, {}};
  }
  return CUBLAS_STATUS_SUCCESS;
}

API cublasStatus_t cublasLtMatmul(Handle handle, Handle operation, const float* alpha, std::uintptr_t a, Handle layoutA, std::uintptr_t b, Handle layoutB, const float* beta,
                                  std::uintptr_t c, Handle layoutC, std::uintptr_t d, Handle layoutD, const Algorithm* algorithm, std::uintptr_t workspace, std::size_t workspaceBytes, Handle stream) {
  std::lock_guard<std::mutex> lock(state().mutex);
  Context* context = nullptr;
  if (const cublasStatus_t status = contextOf(handle, context)) return status;
  Problem problem;
  if (const cublasStatus_t status = readProblem(operation, layoutA, layoutB, layoutC, layoutD, problem)) return status;
  if (!alpha || !beta || !a || !b || !c || !d) return invalid("alpha, A, B, beta, C or D is null");
  if (problem.epilogue != EPILOGUE_DEFAULT && !problem.bias) return invalid("an epilogue with a bias needs CUBLASLT_MATMUL_DESC_BIAS_POINTER");
  if (c == d && problem.c.ld != problem.d.ld) return invalid("C and D are one matrix with two layouts");
  const Algorithm chosen = algorithm ? *algorithm : algorithmFor(problem, (a | b | c | d) & 15 ? 1 : 16, 0);
  if (chosen.magic != algorithmMagic) return invalid("the algorithm was not given by cublasLtMatmulAlgoGetHeuristic");
  if (chosen.problem != problem.hash()) return unsupported("the algorithm was chosen for another product: other shapes, types, transposes or epilogue");
  const struct { std::uintptr_t pointer; const char* name; std::size_t least, needed; } pointers[] = {
    {a, "A", bytesOf(problem.a.element), chosen.alignment}, {b, "B", bytesOf(problem.b.element), chosen.alignment}, {c, "C", bytesOf(problem.c.element), chosen.alignment},
    {d, "D", bytesOf(problem.d.element), chosen.alignment}, {problem.biasLength() ? problem.bias : 0, "the bias", bytesOf(problem.d.element), chosen.biasAlignment}, {workspace, "the workspace", 1, 256},
  };
  for (const auto& [pointer, name, least, needed] : pointers) {
    const std::size_t multiple = std::max(least, needed);
    if (pointer % multiple != 0) return unsupported(std::string(name) + "'s address is not a multiple of " + std::to_string(multiple) + ", as the algorithm needs");
  }
  if (workspaceBytes < chosen.workspace || (chosen.workspace > 0 && !workspace)) {
    return invalid("the algorithm needs " + std::to_string(chosen.workspace) + " bytes of workspace, not " + std::to_string(workspace ? workspaceBytes : 0));
  }
  const Access biasAccess = problem.epilogue == EPILOGUE_BIAS ? Access::read : Access::write;
  const CUresult error = enqueue(*context, stream, "cublasLtMatmul", {
    {Access::read, a, problem.a.bytes(), "A"}, {Access::read, b, problem.b.bytes(), "B"}, {Access::read, c, *beta != 0 ? problem.c.bytes() : 0, "C"}, {Access::write, d, problem.d.bytes(), "D"},
    {biasAccess, problem.bias, problem.biasLength() * bytesOf(problem.d.element), "bias"}, {Access::write, workspace, static_cast<std::size_t>(chosen.workspace), "workspace"},
  }, [problem, roundsPieces = chosen.roundsPieces != 0, alpha = *alpha, beta = *beta, a, b, c, d] { multiply(problem, roundsPieces, alpha, a, b, beta, c, d); });
  return error ? refuse(CUBLAS_STATUS_EXECUTION_FAILED, "cuBLASLt: the stream does not take work, CUDA error " + std::to_string(error)) : CUBLAS_STATUS_SUCCESS;
}

std::string unreturnedCublasLt() {
  std::string lines;
  for (std::size_t n = 0; n < handles.size(); ++n) lines += "cuBLASLt: handle\n";
  return lines + unreturnedLtDescriptors();
}
void forgetCublasLt() {
  handles.clear();
  forgetLtDescriptors();
}
